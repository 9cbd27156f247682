/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Speed of coded layers, as JSON on standard output: bench_layers PICTURE.ppm...
 *
 *  Encoder and decoder of layers take turns with OpenJPEG alone (A B A B ...), which makes and reads a codestream of
 *  the same parameters and about as many bytes, from and to the same interleaved samples. Speeds are medians by the
 *  wall clock, ratios medians by processor time. */
#include <srec/layer_packet.h>
#include <srec/layer_plan.h>
#include <srec/srec.h>

#include "../../lib/core/packet/layer_packet_internal.h"
#include "bench.h"

#include <math.h>
#include <openjpeg.h>
#include <string.h>

#define PIXELS_PER_SERIES 4e6 /* a series of runs takes about as long for every image */
#define RUNS_LEAST        5u
#define RUNS_MOST         15u
#define PIECE_BYTES       2000u /* QPSK, rate 1/2, 16 000 symbols */
#define PIECE_BYTES_MAX   15000u
#define PIECES_MAX        16u
#define PER_PARITY        12u

/* ---- OpenJPEG alone ---------------------------------------------------------------------------------------------- */

/* A file in memory. */
typedef struct {
    uint8_t *bytes;
    size_t size;
    size_t room;
    size_t at;
} memory_file;

static OPJ_SIZE_T write_memory(void *bytes, OPJ_SIZE_T n, void *context)
{
    memory_file *f = context;
    if (f->at + n > f->room)
        return (OPJ_SIZE_T)-1;
    memcpy(f->bytes + f->at, bytes, n);
    f->at += n;
    f->size = f->at > f->size ? f->at : f->size;
    return n;
}

static OPJ_SIZE_T read_memory(void *bytes, OPJ_SIZE_T n, void *context)
{
    memory_file *f = context;
    const size_t left = f->size - f->at;
    const size_t taken = n < left ? n : left;
    memcpy(bytes, f->bytes + f->at, taken);
    f->at += taken;
    return taken ? taken : (OPJ_SIZE_T)-1;
}

static OPJ_BOOL seek_memory(OPJ_OFF_T at, void *context)
{
    ((memory_file *)context)->at = (size_t)at;
    return OPJ_TRUE;
}

static OPJ_OFF_T skip_memory(OPJ_OFF_T n, void *context)
{
    ((memory_file *)context)->at += (size_t)n;
    return n;
}

static opj_stream_t *open_stream(memory_file *f, OPJ_BOOL reading)
{
    opj_stream_t *s = opj_stream_default_create(reading);
    if (!s)
        check(SREC_ERR_MEMORY, NULL, "stream");
    f->at = 0;
    opj_stream_set_user_data(s, f, NULL);
    opj_stream_set_user_data_length(s, f->size);
    opj_stream_set_read_function(s, read_memory);
    opj_stream_set_write_function(s, write_memory);
    opj_stream_set_seek_function(s, seek_memory);
    opj_stream_set_skip_function(s, skip_memory);
    return s;
}

static opj_image_t *to_planes(const srec_image *image)
{
    opj_image_cmptparm_t parameters[3];
    for (unsigned c = 0; c < 3; c++)
        parameters[c] =
            (opj_image_cmptparm_t){ .dx = 1, .dy = 1, .w = image->width, .h = image->height, .prec = 8, .bpp = 8 };
    opj_image_t *planes = opj_image_create(3, parameters, OPJ_CLRSPC_SRGB);
    if (!planes)
        check(SREC_ERR_MEMORY, NULL, "planes");
    planes->x1 = image->width;
    planes->y1 = image->height;
    const size_t n = (size_t)image->width * image->height;
    for (unsigned c = 0; c < 3; c++)
        for (size_t i = 0; i < n; i++)
            planes->comps[c].data[i] = image->data[3 * i + c];
    return planes;
}

static void from_planes(const opj_image_t *planes, const srec_image *image)
{
    const size_t n = (size_t)image->width * image->height;
    for (unsigned c = 0; c < 3; c++)
        for (size_t i = 0; i < n; i++) {
            const OPJ_INT32 v = planes->comps[c].data[i];
            image->data[3 * i + c] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
}

/* The parameters of layers (lib/core/layers/jpeg2000.h), with one coarse and one last quality layer more. */
static void set_parameters(opj_cparameters_t *p, const srec_image *image, unsigned n_layers, size_t n_bytes)
{
    const double image_bytes = 3.0 * image->width * image->height;
    opj_set_default_encoder_parameters(p);
    p->irreversible = 1;
    p->tcp_mct = 1;
    p->cp_disto_alloc = 1;
    p->tcp_numlayers = (int)n_layers + 2;
    p->tcp_rates[0] = (float)(image_bytes / (0.03 * (double)n_bytes));
    for (unsigned i = 1; i <= n_layers; i++)
        p->tcp_rates[i] = (float)(image_bytes / (0.95 * (double)n_bytes * i / n_layers));
    p->tcp_rates[n_layers + 1] = (float)(image_bytes / (double)n_bytes);
    p->cblockw_init = p->cblockh_init = 64;
    p->csty = 1;
    p->res_spec = p->numresolution;
    for (int r = 0; r < p->res_spec; r++)
        p->prcw_init[r] = p->prch_init[r] = 128;
}

static void openjpeg_encode(const srec_image *image, opj_cparameters_t *p, int threads, memory_file *file)
{
    static const char *const packet_lengths[] = { "PLT=YES", NULL };
    opj_image_t *planes = to_planes(image);
    opj_codec_t *codec = opj_create_compress(OPJ_CODEC_J2K);
    file->size = 0;
    opj_stream_t *stream = open_stream(file, OPJ_FALSE);
    if (!codec || !opj_setup_encoder(codec, p, planes) || !opj_encoder_set_extra_options(codec, packet_lengths) ||
        !opj_codec_set_threads(codec, threads) || !opj_start_compress(codec, planes, stream) ||
        !opj_encode(codec, stream) || !opj_end_compress(codec, stream))
        check(SREC_ERR_INTERNAL, NULL, "OpenJPEG's encoder");
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    opj_image_destroy(planes);
}

static void openjpeg_decode(memory_file *file, int threads, const srec_image *out)
{
    opj_dparameters_t p;
    opj_image_t *planes = NULL;
    opj_set_default_decoder_parameters(&p);
    opj_codec_t *codec = opj_create_decompress(OPJ_CODEC_J2K);
    opj_stream_t *stream = open_stream(file, OPJ_TRUE);
    if (!codec || !opj_setup_decoder(codec, &p) || !opj_codec_set_threads(codec, threads) ||
        !opj_read_header(stream, codec, &planes) || !opj_decode(codec, stream, planes))
        check(SREC_ERR_INTERNAL, NULL, "OpenJPEG's decoder");
    from_planes(planes, out);
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    opj_image_destroy(planes);
}

/* ---- source coder ------------------------------------------------------------------------------------------------ */

/* One series of runs. */
typedef struct {
    const srec_image *image;
    double bits_per_pixel;
    unsigned n_layers;
    unsigned threads;
} series;

static srec_layer_budget budget_of(const series *s)
{
    const double bytes =
        s->bits_per_pixel * (double)s->image->width * (double)s->image->height / 8 / (double)s->n_layers;
    const double piece = fmin(fmax(PIECE_BYTES, bytes / PIECES_MAX), PIECE_BYTES_MAX);
    const uint32_t n = (uint32_t)ceil(bytes / piece);
    const uint32_t n_parity = (n + PER_PARITY / 2) / PER_PARITY;
    return (srec_layer_budget){ (size_t)bytes, n - n_parity, n_parity, 2 * PIECE_BYTES_MAX, 1 };
}

/* Bytes of the data pieces. */
static size_t data_bytes(const srec_layers *layers)
{
    size_t n = 0;
    for (size_t i = 0; i < layers->n_pieces; i++)
        n += layers->pieces[i].index < layers->pieces[i].n_data ? layers->pieces[i].n_bytes : 0;
    return n;
}

static void decode_layers(const srec_layers *layers, unsigned threads, srec_image *out)
{
    srec_error error = { 0 };
    srec_layer_decoder *d;
    check(srec_layer_decoder_create(&layers->format, threads, &d, &error), &error, "layer decoder");
    for (size_t i = 0; i < layers->n_pieces; i++)
        check(srec_layer_decoder_add(d, &layers->pieces[i], &error), &error, "piece");
    check(srec_layer_decoder_run(d, out, NULL, &error), &error, "layers to image");
    srec_layer_decoder_free(d);
}

static unsigned runs_for(const srec_image *image)
{
    const double n = PIXELS_PER_SERIES / ((double)image->width * image->height);
    return n < RUNS_LEAST ? RUNS_LEAST : n > RUNS_MOST ? RUNS_MOST : (unsigned)n;
}

static void encode_once(const series *s, srec_layers *out, srec_layer_encoder **encoder)
{
    srec_error error = { 0 };
    srec_layer_budget budgets[SREC_LAYERS_MAX];
    for (unsigned i = 0; i < s->n_layers; i++)
        budgets[i] = budget_of(s);
    check(srec_layer_encoder_create(s->threads, encoder, &error), &error, "layer encoder");
    check(srec_layer_encoder_run(*encoder, s->image, budgets, s->n_layers, out, &error), &error, "image to layers");
}

/* The four steps that are timed: encoder and decoder, of layers and of OpenJPEG alone. */
enum { ENCODE, ENCODE_ALONE, DECODE, DECODE_ALONE, STEPS };

/* Seconds of each step in each run. */
typedef struct {
    double wall[STEPS][RUNS_MOST];
    double processor[STEPS][RUNS_MOST]; /* of all threads: other programs disturb it less */
} timing;

static double processor_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void measure(const series *s, memory_file *file, srec_image *received, timing *out)
{
    opj_cparameters_t p;
    srec_layers layers = { 0 };
    srec_layer_encoder *encoder;
    encode_once(s, &layers, &encoder);
    set_parameters(&p, s->image, s->n_layers, data_bytes(&layers));
    for (unsigned run = 0; run < runs_for(s->image); run++)
        for (unsigned step = 0; step < STEPS; step++) {
            if (step == ENCODE)
                srec_layer_encoder_free(encoder);
            const double wall = now();
            const double processor = processor_now();
            if (step == ENCODE)
                encode_once(s, &layers, &encoder);
            else if (step == ENCODE_ALONE)
                openjpeg_encode(s->image, &p, (int)s->threads, file);
            else if (step == DECODE)
                decode_layers(&layers, s->threads, received);
            else
                openjpeg_decode(file, (int)s->threads, received);
            out->wall[step][run] = now() - wall;
            out->processor[step][run] = processor_now() - processor;
        }
    srec_layer_encoder_free(encoder);
}

/* Median of the speed of a step relative to that of the step after it, OpenJPEG alone. */
static double ratio(const timing *t, unsigned step, unsigned runs)
{
    double ratios[RUNS_MOST];
    for (unsigned i = 0; i < runs; i++)
        ratios[i] = t->processor[step + 1][i] / t->processor[step][i];
    return median(ratios, runs);
}

static void bench_series(const series *s, const char *before)
{
    static timing t;
    const unsigned runs = runs_for(s->image);
    const double mpixel = 1e-6 * s->image->width * s->image->height;
    memory_file file = { .room = s->image->stride * s->image->height };
    srec_image received = *s->image;
    file.bytes = get(file.room);
    received.data = get(file.room);
    measure(s, &file, &received, &t);
    printf("%s\n    {\"width\": %u, \"height\": %u, \"bits_per_pixel\": %g, \"layers\": %u, \"threads\": %u,"
           " \"encode_mpixel_per_s\": %.2f, \"encode_over_openjpeg\": %.3f, \"decode_mpixel_per_s\": %.2f,"
           " \"decode_over_openjpeg\": %.3f}",
           before, s->image->width, s->image->height, s->bits_per_pixel, s->n_layers, s->threads,
           mpixel / median(t.wall[ENCODE], runs), ratio(&t, ENCODE, runs), mpixel / median(t.wall[DECODE], runs),
           ratio(&t, DECODE, runs));
    fflush(stdout);
    free(file.bytes);
    free(received.data);
}

/* ---- packets ----------------------------------------------------------------------------------------------------- */

#define PACKET_RUNS    7u
#define PACKETS        16u
#define CODE_RATE      0.5
#define PACKET_SNR_DB  3.0f /* 1.5 dB above the threshold */
#define SEALS_PER_TIME 16u

/* What the packets of a session need. */
typedef struct {
    srec_key key;
    srec_packet_encoder *heads;
    srec_layer_packet_encoder *encoder;
    srec_packet_decoder *receiver;
    srec_layer_packet_decoder *decoder;
    srec_channel *channel;
    uint8_t bytes[PIECE_BYTES];
    uint8_t frame[SREC_FRAME_MAX];
    float *iq;
    float *soft;
} link;

static void open_link(link *l, uint64_t session)
{
    srec_key_from_seed(&l->key, 4);
    check(srec_packet_encoder_create(&l->key, session, &l->heads, NULL), NULL, "packet encoder");
    check(srec_layer_packet_encoder_create(&l->key, l->heads, &l->encoder, NULL), NULL, "packet encoder");
    check(srec_packet_decoder_create(&l->key, NULL, &l->receiver, NULL), NULL, "packet decoder");
    check(srec_layer_packet_decoder_create(l->receiver, 0, &l->decoder, NULL), NULL, "packet decoder");
    check(srec_channel_create(SREC_CHANNEL_AWGN, PACKET_SNR_DB, session, 1, &l->channel, NULL), NULL, "channel");
    for (size_t i = 0; i < PIECE_BYTES; i++)
        l->bytes[i] = (uint8_t)(i * 2654435761u >> 8);
}

static void close_link(link *l)
{
    srec_layer_packet_encoder_free(l->encoder);
    srec_layer_packet_decoder_free(l->decoder);
    srec_packet_encoder_free(l->heads);
    srec_packet_decoder_free(l->receiver);
    srec_channel_free(l->channel);
}

static srec_layer_packet packet_of(const link *l, uint64_t number)
{
    srec_layer_packet p = {
        .signal = { .type = SREC_PAYLOAD_LAYERS, .modulation = SREC_QPSK, .cipher = SREC_CIPHER_ADD, .packet = number },
        .scale = 1,
        .format = { 768, 512, 3, 1 },
        .piece = { .index = (uint32_t)number, .n_data = PACKETS, .bytes = l->bytes, .n_bytes = PIECE_BYTES },
        .origin = number,
    };
    p.signal.payload_bytes = (uint16_t)srec_layer_packet_coded_bytes(PIECE_BYTES, CODE_RATE);
    p.piece.description[9] = PIECE_BYTES & 0xff;
    p.piece.description[10] = PIECE_BYTES >> 8;
    return p;
}

/* Seconds for all packets of a session, there and back. */
static void send_packets(link *l, double *encode_s, double *decode_s)
{
    *encode_s = *decode_s = 0;
    for (unsigned i = 0; i < PACKETS; i++) {
        const srec_layer_packet p = packet_of(l, i);
        srec_layer_packet received;
        srec_error error = { 0 };
        size_t n = 0;
        const double t0 = now();
        check(srec_layer_packet_encode(l->encoder, &p, l->frame, sizeof l->frame, &n, &error), &error, "packet");
        *encode_s += now() - t0;
        const size_t symbols = srec_modem_symbols(SREC_QPSK, n);
        check(srec_modem_map(SREC_QPSK, l->frame, n, l->iq), NULL, "map");
        check(srec_channel_apply(l->channel, l->iq, l->iq, NULL, symbols), NULL, "channel");
        check(srec_modem_demap(SREC_QPSK, l->iq, NULL, powf(10, -0.1f * PACKET_SNR_DB), symbols, l->soft), NULL,
              "demap");
        const double t1 = now();
        check(srec_layer_packet_decode(l->decoder, SREC_QPSK, l->soft, n, &received), NULL, "packet decode");
        *decode_s += now() - t1;
    }
}

/* Mbyte/s of keystream, addition and tag; and of their inverse. */
static void bench_seal(const link *l, double *seal, double *open)
{
    static uint8_t sealed[SEALS_PER_TIME][PIECE_BYTES + SREC_LAYER_TAG_BYTES];
    static uint8_t scratch[SREC_LAYER_FIXED_BYTES + PIECE_BYTES];
    const uint8_t key[SREC_KEY_BYTES] = { 7 };
    const double t0 = now();
    for (unsigned i = 0; i < SEALS_PER_TIME; i++) {
        const srec_layer_packet p = packet_of(l, i);
        srec_layer_seal(key, &p, scratch, sealed[i]);
    }
    const double t1 = now();
    for (unsigned i = 0; i < SEALS_PER_TIME; i++) {
        const srec_layer_packet p = packet_of(l, i);
        check(srec_layer_open(key, &p, scratch, sealed[i]), NULL, "tag");
    }
    *seal = 1e-6 * SEALS_PER_TIME * PIECE_BYTES / (t1 - t0);
    *open = 1e-6 * SEALS_PER_TIME * PIECE_BYTES / (now() - t1);
}

static void bench_packets(void)
{
    double encode[PACKET_RUNS], decode[PACKET_RUNS], seal[PACKET_RUNS], open[PACKET_RUNS];
    link l = { .iq = get(8 * SREC_FRAME_MAX * sizeof(float)), .soft = get(8 * SREC_FRAME_MAX * sizeof(float)) };
    for (unsigned run = 0; run < PACKET_RUNS; run++) {
        double encode_s, decode_s;
        open_link(&l, run + 1);
        send_packets(&l, &encode_s, &decode_s);
        bench_seal(&l, &seal[run], &open[run]);
        close_link(&l);
        encode[run] = 1e-6 * PACKETS * PIECE_BYTES / encode_s;
        decode[run] = 1e-6 * PACKETS * PIECE_BYTES / decode_s;
    }
    printf("\n  \"packets\": {\"piece_bytes\": %u, \"code_rate\": %g, \"snr_db\": %g, \"seal_mb_per_s\": %.1f,"
           " \"open_mb_per_s\": %.1f, \"encode_mb_per_s\": %.1f, \"decode_mb_per_s\": %.2f}",
           PIECE_BYTES, CODE_RATE, (double)PACKET_SNR_DB, median(seal, PACKET_RUNS), median(open, PACKET_RUNS),
           median(encode, PACKET_RUNS), median(decode, PACKET_RUNS));
    free(l.iq);
    free(l.soft);
}

int main(int argc, char **argv)
{
    static const double bits_per_pixel[] = { 0.5, 1.6 };
    if (argc < 2) {
        fprintf(stderr, "usage: bench_layers PICTURE.ppm...\n");
        return 2;
    }
    printf("{");
    bench_packets();
    printf(",\n  \"images\": [");
    for (int i = 1; i < argc; i++) {
        const srec_image image = read_ppm(argv[i]);
        for (unsigned b = 0; b < 2; b++)
            for (unsigned threads = 1; threads <= 2; threads++)
                bench_series(&(series){ &image, bits_per_pixel[b], 1, threads }, i + b + threads > 2 ? "," : "");
        bench_series(&(series){ &image, bits_per_pixel[1], 3, 1 }, ",");
        free(image.data);
    }
    printf("]}\n");
    return 0;
}
