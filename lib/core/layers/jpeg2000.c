/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  JPEG 2000 codestreams over OpenJPEG. */
#include "jpeg2000.h"

#include <assert.h>
#include <openjpeg.h>
#include <stdlib.h>
#include <string.h>

#define PRECINCT           128u
#define PRECINCT_EXPONENTS 0x77 /* 2^7 x 2^7 */
#define CODE_BLOCK         64
#define BITS               8
#define SIDE_MAX           65535u

/* Markers, ISO/IEC 15444-1, Table A.2 */
enum { SOC = 0xff4f, SIZ = 0xff51, COD = 0xff52, QCD = 0xff5c, PLT = 0xff58, SOT = 0xff90, SOD = 0xff93, EOC = 0xffd9 };
#define SOT_BYTES 12u /* the whole segment */

/* Quantiser step sizes of the 9/7 wavelet, as exponent and mantissa (equation E-3): of the lowest band after 0 .. 5
 * decompositions, and of the bands HL, LH, HH of decomposition 1 .. 5. OpenJPEG derives them from the norms of the
 * synthesis filters. */
static const uint16_t step_ll[SREC_J2K_RESOLUTIONS_MAX] = { 0x4000, 0x4824, 0x5f52, 0x6738, 0x6f20, 0x7720 };
static const uint16_t step_high[SREC_J2K_RESOLUTIONS_MAX - 1][3] = {
    { 0x57d3, 0x57d3, 0x5762 }, { 0x5005, 0x5005, 0x5047 }, { 0x6750, 0x6750, 0x6768 },
    { 0x6f00, 0x6f00, 0x6ee0 }, { 0x76f0, 0x76f0, 0x76c0 },
};

/* ---- format -------------------------------------------------------------------------------------------------- */

bool srec_j2k_format_valid(const srec_j2k_format *f)
{
    return f && f->width >= 1 && f->width <= SIDE_MAX && f->height >= 1 && f->height <= SIDE_MAX &&
           (f->channels == 1 || f->channels == 3) && f->n_layers >= 1 && f->n_layers <= SREC_J2K_LAYERS_MAX;
}

unsigned srec_j2k_resolutions(uint32_t width, uint32_t height)
{
    const uint32_t side = width < height ? width : height;
    unsigned n = 1;
    while (n < SREC_J2K_RESOLUTIONS_MAX && side >> n)
        n++;
    return n;
}

/* Precincts of a resolution along one side. */
static size_t precincts(uint32_t side, unsigned reduced)
{
    const size_t samples = ((size_t)side + ((size_t)1 << reduced) - 1) >> reduced;
    return (samples + PRECINCT - 1) / PRECINCT;
}

/* Precincts of resolution \p r in one component. */
static size_t resolution_precincts(const srec_j2k_format *f, unsigned r)
{
    const unsigned reduced = srec_j2k_resolutions(f->width, f->height) - 1 - r;
    return precincts(f->width, reduced) * precincts(f->height, reduced);
}

size_t srec_j2k_packets(const srec_j2k_format *f, unsigned n_resolutions)
{
    const unsigned all = srec_j2k_resolutions(f->width, f->height);
    size_t n = 0;
    for (unsigned r = 0; r < n_resolutions && r < all; r++)
        n += f->channels * resolution_precincts(f, r);
    return n;
}

static void put(uint8_t **at, uint32_t value, unsigned bytes)
{
    for (unsigned i = bytes; i-- > 0;)
        *(*at)++ = (uint8_t)(value >> 8 * i);
}

static uint32_t get(const uint8_t *at, unsigned bytes)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

static void put_size(const srec_j2k_format *f, uint8_t **at)
{
    put(at, SIZ, 2);
    put(at, 38 + 3 * f->channels, 2);
    put(at, 0, 2);                     /* no profile */
    for (unsigned i = 0; i < 2; i++) { /* the image and its only tile: sizes, offsets */
        put(at, f->width, 4);
        put(at, f->height, 4);
        put(at, 0, 4);
        put(at, 0, 4);
    }
    put(at, f->channels, 2);
    for (unsigned c = 0; c < f->channels; c++) {
        put(at, BITS - 1, 1);
        put(at, 1, 1);
        put(at, 1, 1);
    }
}

static void put_coding_style(const srec_j2k_format *f, unsigned n_resolutions, uint8_t **at)
{
    put(at, COD, 2);
    put(at, 12 + n_resolutions, 2);
    put(at, 1, 1); /* precincts are given */
    put(at, 0, 1); /* layer - resolution - component - position */
    put(at, f->n_layers, 2);
    put(at, f->channels == 3, 1); /* multi-component transform */
    put(at, n_resolutions - 1, 1);
    put(at, 4, 1); /* code blocks of 2^(4 + 2) */
    put(at, 4, 1);
    put(at, 0, 1);
    put(at, 0, 1); /* 9/7 */
    for (unsigned r = 0; r < n_resolutions; r++)
        put(at, PRECINCT_EXPONENTS, 1);
}

uint16_t srec_j2k_step(const srec_j2k_format *f, unsigned resolution, unsigned band)
{
    const unsigned levels = srec_j2k_resolutions(f->width, f->height) - 1;
    return resolution ? step_high[levels - resolution][band] : step_ll[levels];
}

static void put_quantisation(unsigned n_resolutions, uint8_t **at)
{
    assert(n_resolutions >= 1 && n_resolutions <= SREC_J2K_RESOLUTIONS_MAX);
    put(at, QCD, 2);
    put(at, 3 + 2 * (3 * n_resolutions - 2), 2);
    put(at, 0x42, 1); /* steps are given one by one, two guard bits */
    put(at, step_ll[n_resolutions - 1], 2);
    for (unsigned level = n_resolutions - 1; level >= 1; level--)
        for (unsigned band = 0; band < 3; band++)
            put(at, step_high[level - 1][band], 2);
}

size_t srec_j2k_main_header(const srec_j2k_format *f, uint8_t *out)
{
    const unsigned n_resolutions = srec_j2k_resolutions(f->width, f->height);
    uint8_t *at = out;
    put(&at, SOC, 2);
    put_size(f, &at);
    put_coding_style(f, n_resolutions, &at);
    put_quantisation(n_resolutions, &at);
    return (size_t)(at - out);
}

/* ---- OpenJPEG's streams and messages --------------------------------------------------------------------------- */

/* A file in memory. */
typedef struct {
    uint8_t *bytes;
    size_t size;
    size_t room; /* 0: read only */
    size_t at;
} memory_file;

static OPJ_SIZE_T write_memory(void *bytes, OPJ_SIZE_T n, void *context)
{
    memory_file *f = context;
    if (n > SIZE_MAX / 4 - f->at)
        return (OPJ_SIZE_T)-1;
    if (f->at + n > f->room) {
        const size_t room = 2 * (f->at + n);
        uint8_t *larger = realloc(f->bytes, room);
        if (!larger)
            return (OPJ_SIZE_T)-1;
        f->bytes = larger;
        f->room = room;
    }
    memcpy(f->bytes + f->at, bytes, n);
    f->at += n;
    f->size = f->at > f->size ? f->at : f->size;
    return n;
}

static OPJ_SIZE_T read_memory(void *bytes, OPJ_SIZE_T n, void *context)
{
    memory_file *f = context;
    const size_t left = f->size - f->at;
    if (!left)
        return (OPJ_SIZE_T)-1; /* the end */
    n = n < left ? n : left;
    memcpy(bytes, f->bytes + f->at, n);
    f->at += n;
    return n;
}

static OPJ_BOOL seek_memory(OPJ_OFF_T at, void *context)
{
    memory_file *f = context;
    if (at < 0 || (uint64_t)at > f->size)
        return OPJ_FALSE;
    f->at = (size_t)at;
    return OPJ_TRUE;
}

static OPJ_OFF_T skip_memory(OPJ_OFF_T n, void *context)
{
    memory_file *f = context;
    if (n < 0 || (uint64_t)n > f->size - f->at)
        return -1;
    f->at += (size_t)n;
    return n;
}

static opj_stream_t *open_stream(memory_file *f, bool for_reading)
{
    opj_stream_t *s = opj_stream_create(OPJ_J2K_STREAM_CHUNK_SIZE, for_reading);
    if (!s)
        return NULL;
    opj_stream_set_user_data(s, f, NULL);
    opj_stream_set_user_data_length(s, f->size);
    opj_stream_set_read_function(s, read_memory);
    opj_stream_set_write_function(s, write_memory);
    opj_stream_set_seek_function(s, seek_memory);
    opj_stream_set_skip_function(s, skip_memory);
    return s;
}

/* The first error that OpenJPEG reports, on one line. */
typedef struct {
    char text[200];
} complaint;

static void keep_error(const char *message, void *context)
{
    complaint *c = context;
    if (c->text[0])
        return;
    strncpy(c->text, message, sizeof c->text - 1);
    c->text[strcspn(c->text, "\n")] = '\0';
}

static void listen(opj_codec_t *codec, complaint *c)
{
    c->text[0] = '\0';
    opj_set_error_handler(codec, keep_error, c);
}

static opj_image_t *create_image(const srec_j2k_format *f)
{
    opj_image_cmptparm_t parameters[3] = { 0 };
    for (unsigned c = 0; c < f->channels; c++)
        parameters[c] = (opj_image_cmptparm_t){ .dx = 1, .dy = 1, .w = f->width, .h = f->height, .prec = BITS };
    opj_image_t *image =
        opj_image_create(f->channels, parameters, f->channels == 3 ? OPJ_CLRSPC_SRGB : OPJ_CLRSPC_GRAY);
    if (image) {
        image->x1 = f->width;
        image->y1 = f->height;
    }
    return image;
}

/* ---- encoder --------------------------------------------------------------------------------------------------- */

static void fill_image(opj_image_t *to, const srec_image *from)
{
    for (unsigned c = 0; c < from->channels; c++) {
        OPJ_INT32 *plane = to->comps[c].data;
        for (uint32_t y = 0; y < from->height; y++) {
            const uint8_t *row = from->data + (size_t)y * from->stride + c;
            for (uint32_t x = 0; x < from->width; x++)
                *plane++ = row[(size_t)x * from->channels];
        }
    }
}

static opj_cparameters_t encoder_parameters(const srec_j2k_format *f, const size_t *layer_bytes)
{
    opj_cparameters_t p;
    opj_set_default_encoder_parameters(&p);
    uint8_t header[SREC_J2K_HEADER_MAX];
    const double overhead = (double)srec_j2k_main_header(f, header) + SOT_BYTES + 4; /* OpenJPEG's rates count these */
    const double image_bytes = (double)f->width * f->height * f->channels;
    p.irreversible = 1;
    p.tcp_mct = f->channels == 3;
    p.cp_disto_alloc = 1;
    p.tcp_numlayers = (int)f->n_layers;
    for (unsigned i = 0; i < f->n_layers; i++)
        p.tcp_rates[i] = (float)(image_bytes / ((double)layer_bytes[i] + overhead));
    p.numresolution = (int)srec_j2k_resolutions(f->width, f->height);
    p.cblockw_init = p.cblockh_init = CODE_BLOCK;
    p.csty = 1; /* precincts */
    p.res_spec = p.numresolution;
    for (int r = 0; r < p.res_spec; r++)
        p.prcw_init[r] = p.prch_init[r] = PRECINCT;
    p.cp_comment = (char *)(uintptr_t) "";
    return p;
}

static bool compress(opj_codec_t *codec, opj_image_t *image, memory_file *file)
{
    opj_stream_t *stream = open_stream(file, false);
    const bool ok = stream && opj_start_compress(codec, image, stream) && opj_encode(codec, stream) &&
                    opj_end_compress(codec, stream);
    if (stream)
        opj_stream_destroy(stream);
    return ok;
}

/* Lengths of all packets from the PLT segments of the tile-part header (Table A.36): 7 bits a byte, the top bit set on
 * all but the last byte of a length. \return false if they are not those of n packets in body_bytes */
static bool read_lengths(const uint8_t *at, const uint8_t *end, size_t body_bytes, srec_j2k_stream *out)
{
    size_t packet = 0;
    size_t length = 0;
    size_t offset = 0;
    while (end - at >= 4 && get(at, 2) != SOD) {
        const size_t segment = 2 + get(at + 2, 2);
        if (segment < 4 || segment > (size_t)(end - at))
            return false;
        for (size_t i = 5; get(at, 2) == PLT && i < segment; i++) {
            length = length << 7 | (at[i] & 0x7f);
            if (at[i] & 0x80)
                continue;
            if (packet == out->n_packets || length > body_bytes - offset)
                return false;
            out->offset[packet++] = offset;
            offset += length;
            length = 0;
        }
        at += segment;
    }
    out->offset[packet] = offset;
    return packet == out->n_packets && offset == body_bytes;
}

/* Take the packets out of OpenJPEG's codestream, whose main header must be the one that the receiver will write. */
static srec_status take_packets(const srec_j2k_format *f, const memory_file *file, srec_j2k_stream *out)
{
    uint8_t header[SREC_J2K_HEADER_MAX];
    const size_t n_header = srec_j2k_main_header(f, header);
    if (file->size < n_header || memcmp(file->bytes, header, n_header) != 0)
        return SREC_ERR_INTERNAL;
    const uint8_t *at = file->bytes + n_header;
    const uint8_t *end = file->bytes + file->size;
    while (end - at >= (ptrdiff_t)SOT_BYTES && get(at, 2) != SOT) /* a comment */
        at += 2 + get(at + 2, 2);
    if (end - at < (ptrdiff_t)SOT_BYTES)
        return SREC_ERR_INTERNAL;
    const uint8_t *tile_end = at + get(at + 6, 4);
    const uint8_t *body = at + SOT_BYTES;
    while (end - body >= 4 && get(body, 2) != SOD)
        body += 2 + get(body + 2, 2);
    body += 2;
    if (tile_end > end || body > tile_end)
        return SREC_ERR_INTERNAL;
    const size_t n = (size_t)(tile_end - body);
    out->n_packets = f->n_layers * srec_j2k_packets(f, SREC_J2K_RESOLUTIONS_MAX);
    out->offset = calloc(out->n_packets + 1, sizeof *out->offset);
    out->bytes = malloc(n ? n : 1);
    if (!out->offset || !out->bytes)
        return SREC_ERR_MEMORY;
    memcpy(out->bytes, body, n);
    return read_lengths(at + SOT_BYTES, body, n, out) ? SREC_OK : SREC_ERR_INTERNAL;
}

void srec_j2k_stream_free(srec_j2k_stream *s)
{
    free(s->bytes);
    free(s->offset);
    *s = (srec_j2k_stream){ 0 };
}

/* OpenJPEG starts as many threads as it is asked to. */
static int threads_of(unsigned threads)
{
    const int cores = opj_get_num_cpus();
    return threads && threads < (unsigned)cores ? (int)threads : cores;
}

static srec_status encode(const srec_image *image, const srec_j2k_format *f, opj_cparameters_t *p, unsigned threads,
                          memory_file *file, srec_error *error)
{
    static const char *const packet_lengths[] = { "PLT=YES", NULL };
    complaint c = { "" };
    opj_image_t *planes = create_image(f);
    opj_codec_t *codec = opj_create_compress(OPJ_CODEC_J2K);
    srec_status status = SREC_ERR_MEMORY;
    if (planes && codec) {
        listen(codec, &c);
        fill_image(planes, image);
        status = SREC_ERR_INTERNAL;
        if (opj_setup_encoder(codec, p, planes) && opj_encoder_set_extra_options(codec, packet_lengths) &&
            opj_codec_set_threads(codec, threads_of(threads)) && compress(codec, planes, file))
            status = SREC_OK;
    }
    if (status == SREC_ERR_MEMORY)
        srec_fail(error, status, "not enough memory for an image of %ux%u pixels", f->width, f->height);
    else if (status != SREC_OK)
        srec_fail(error, status, "OpenJPEG cannot encode %ux%u pixels: %s", f->width, f->height, c.text);
    if (codec)
        opj_destroy_codec(codec);
    if (planes)
        opj_image_destroy(planes);
    return status;
}

static bool ascending(const size_t *layer_bytes, unsigned n)
{
    for (unsigned i = 1; i < n; i++)
        if (layer_bytes[i] <= layer_bytes[i - 1])
            return false;
    return n && layer_bytes[0] > 0;
}

srec_status srec_j2k_encode(const srec_image *image, const srec_j2k_format *f, const size_t *layer_bytes,
                            unsigned threads, srec_j2k_stream *out, srec_error *error)
{
    if (!out)
        return SREC_ERR_ARG;
    *out = (srec_j2k_stream){ 0 };
    if (!image || !image->data || !srec_j2k_format_valid(f) || !layer_bytes || image->width != f->width ||
        image->height != f->height || image->channels != f->channels || !ascending(layer_bytes, f->n_layers))
        return srec_fail(error, SREC_ERR_ARG, "no image, or a format that does not fit it");
    opj_cparameters_t p = encoder_parameters(f, layer_bytes);
    memory_file file = { 0 };
    srec_status status = encode(image, f, &p, threads, &file, error);
    if (status == SREC_OK) {
        status = take_packets(f, &file, out);
        if (status != SREC_OK)
            srec_fail(error, status,
                      status == SREC_ERR_MEMORY ? "out of memory" : "this OpenJPEG writes another main header");
    }
    free(file.bytes);
    return status;
}

/* ---- decoder --------------------------------------------------------------------------------------------------- */

/* Mark the packets that cannot be used: missing ones, and later layers of their precincts. \return bytes of the rest,
 * one byte for each that is left out */
static size_t choose_packets(const srec_j2k_packet *packets, size_t per_layer, unsigned n_layers, bool *usable)
{
    size_t total = 0;
    for (unsigned layer = 0; layer < n_layers; layer++)
        for (size_t i = 0; i < per_layer; i++) {
            const size_t at = layer * per_layer + i;
            const bool inside = !layer && i && usable[at - 1]; /* the bytes of the packet before it */
            usable[at] = packets[at].bytes && (packets[at].size || inside) && (!layer || usable[at - per_layer]);
            total += usable[at] ? packets[at].size : 1;
        }
    return total;
}

/* A whole codestream. \param total  bytes of its packets */
static void assemble(const srec_j2k_format *f, const srec_j2k_packet *packets, const bool *usable, size_t total,
                     memory_file *file)
{
    const size_t n = f->n_layers * srec_j2k_packets(f, SREC_J2K_RESOLUTIONS_MAX);
    uint8_t *at = file->bytes + srec_j2k_main_header(f, file->bytes);
    put(&at, SOT, 2);
    put(&at, SOT_BYTES - 2, 2);
    put(&at, 0, 2); /* tile 0 */
    put(&at, (uint32_t)(SOT_BYTES + 2 + total), 4);
    put(&at, 0, 1); /* tile-part 0 of 1 */
    put(&at, 1, 1);
    put(&at, SOD, 2);
    for (size_t i = 0; i < n; i++) {
        if (!usable[i]) {
            *at++ = 0; /* an empty packet */
            continue;
        }
        memcpy(at, packets[i].bytes, packets[i].size);
        at += packets[i].size;
    }
    put(&at, EOC, 2);
    file->size = (size_t)(at - file->bytes);
}

static bool image_fits(const opj_image_t *image, const srec_j2k_format *f)
{
    if (image->numcomps != f->channels)
        return false;
    for (unsigned c = 0; c < f->channels; c++)
        if (!image->comps[c].data || image->comps[c].w != f->width || image->comps[c].h != f->height)
            return false;
    return true;
}

static void read_image(const opj_image_t *from, const srec_image *to)
{
    for (unsigned c = 0; c < to->channels; c++) {
        const OPJ_INT32 *plane = from->comps[c].data;
        for (uint32_t y = 0; y < to->height; y++) {
            uint8_t *row = to->data + (size_t)y * to->stride + c;
            for (uint32_t x = 0; x < to->width; x++, plane++)
                row[(size_t)x * to->channels] = (uint8_t)(*plane < 0 ? 0 : *plane > 255 ? 255 : *plane);
        }
    }
}

static srec_status decode(const srec_j2k_format *f, memory_file *file, unsigned threads, const srec_image *out,
                          srec_error *error)
{
    complaint c = { "" };
    opj_image_t *image = NULL;
    opj_dparameters_t parameters;
    opj_set_default_decoder_parameters(&parameters);
    opj_codec_t *codec = opj_create_decompress(OPJ_CODEC_J2K);
    opj_stream_t *stream = open_stream(file, true);
    srec_status status = SREC_ERR_MEMORY;
    if (codec && stream) {
        listen(codec, &c);
        const bool ok = opj_setup_decoder(codec, &parameters) && opj_decoder_set_strict_mode(codec, OPJ_TRUE) &&
                        opj_codec_set_threads(codec, threads_of(threads)) && opj_read_header(stream, codec, &image) &&
                        opj_decode(codec, stream, image) && image_fits(image, f);
        status = ok ? SREC_OK : SREC_ERR_FORMAT;
    }
    if (status == SREC_OK)
        read_image(image, out);
    else
        srec_fail(error, status, "OpenJPEG cannot decode %ux%u pixels: %s", f->width, f->height,
                  status == SREC_ERR_MEMORY ? "out of memory" : c.text);
    if (image)
        opj_image_destroy(image);
    if (stream)
        opj_stream_destroy(stream);
    if (codec)
        opj_destroy_codec(codec);
    return status;
}

srec_status srec_j2k_decode(const srec_j2k_format *f, const srec_j2k_packet *packets, unsigned threads, srec_image *out,
                            srec_error *error)
{
    if (!srec_j2k_format_valid(f) || !packets || !out || !out->data || out->width != f->width ||
        out->height != f->height || out->channels != f->channels)
        return srec_fail(error, SREC_ERR_ARG, "no image, or a format that does not fit it");
    const size_t per_layer = srec_j2k_packets(f, SREC_J2K_RESOLUTIONS_MAX);
    assert(f->n_layers && per_layer);
    bool *usable = calloc(f->n_layers * per_layer, sizeof *usable);
    if (!usable)
        return srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    const size_t total = choose_packets(packets, per_layer, f->n_layers, usable);
    srec_status status = SREC_ERR_FORMAT;
    memory_file file = { 0 };
    if (total > UINT32_MAX - 2 * SREC_J2K_HEADER_MAX)
        srec_fail(error, status, "packets of %zu bytes: more than a codestream holds", total);
    else if (!(file.bytes = malloc(SREC_J2K_HEADER_MAX + SOT_BYTES + 4 + total)))
        status = srec_fail(error, SREC_ERR_MEMORY, "out of memory");
    else {
        assemble(f, packets, usable, total, &file);
        status = decode(f, &file, threads, out, error);
    }
    free(file.bytes);
    free(usable);
    return status;
}
