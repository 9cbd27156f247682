/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/layer_plan.h>

#include "layers_internal.h"

#include <srec/burst.h>
#include <srec/layer_packet.h>

#include <math.h>

#define RATE_LEAST         0.02 /* that a request may name as its highest */
#define PACKETS_OF_A_LAYER 16u  /* a layer's default packet is a sixteenth of it, if that is longer */
#define PIECES_PER_PARITY  12u
#define LONGEST_TO_MEAN    1.4 /* piece: room for it in a frame */
#define BLOCK_BITS         8448.0
#define SHORT_BLOCK_DB     0.2 /* more for each halving of the block length */

/* The layer that is planned. */
typedef struct {
    const srec_layers_request *request;
    unsigned layer;
    double symbols;    /* its share */
    uint32_t n_pieces; /* data and parity */
} job;

/* ---- what packets cost ------------------------------------------------------------------------------------------- */

static double head_symbols(const job *j) { return (double)srec_layer_packet_symbols(j->request->modulation, 0); }

/* Symbols of the frames, if that many are sent in \p n packets. */
static double frame_symbols(const job *j, double symbols, uint32_t n)
{
    if (!j->request->bursts)
        return symbols;
    const double fixed = SREC_BURST_PREAMBLE + 2 * SREC_BURST_PILOTS; /* and pilots of the last, incomplete block */
    return fmax((symbols - fixed * n) * SREC_BURST_DATA / (SREC_BURST_DATA + SREC_BURST_PILOTS), 0);
}

/* Coded bytes that the layer's packets may have, each rounded up to whole bytes and symbols. */
static double coded_bytes(const job *j, double symbols, uint32_t n)
{
    const srec_modulation m = j->request->modulation;
    const double payload = frame_symbols(j, symbols, n) - head_symbols(j) * n;
    const double bytes = payload * srec_modem_bits_per_symbol(m) / 8 - (double)n * srec_modem_byte_granule(m);
    return fmax(bytes, 0);
}

/* ---- one layer --------------------------------------------------------------------------------------------------- */

static uint32_t choose_pieces(const job *j)
{
    const srec_modulation m = j->request->modulation;
    const double bits = srec_modem_bits_per_symbol(m);
    double wanted = (double)j->request->frame_symbols;
    if (wanted <= 0)
        wanted = fmax(SREC_LAYER_FRAME_SYMBOLS, j->symbols / PACKETS_OF_A_LAYER);
    const double most = 8 * (double)srec_layer_packet_coded_bytes_max(m) / bits / LONGEST_TO_MEAN;
    const double packet = fmin(wanted, most) + head_symbols(j);
    const double n = wanted < most ? round(j->symbols / packet) : ceil(j->symbols / packet);
    return n < 1 ? 1 : n > SREC_LAYERS_PIECES_MAX ? SREC_LAYERS_PIECES_MAX : (uint32_t)n;
}

static uint32_t choose_parity(const job *j)
{
    const uint32_t n = j->n_pieces;
    const uint32_t wanted =
        j->request->n_parity < 0 ? (n + PIECES_PER_PARITY / 2) / PIECES_PER_PARITY : (uint32_t)j->request->n_parity;
    return wanted < n ? wanted : n - 1;
}

/* The highest rate that leaves the margin. Short blocks need more. */
static double choose_rate(const job *j, double packet_coded_bytes, float *threshold_db)
{
    const srec_layers_request *r = j->request;
    const double most = r->rate_max > 0 ? fmin(r->rate_max, SREC_LAYER_RATE_MAX) : SREC_LAYER_RATE_MAX;
    double rate = 0.5;
    double loss_db = 0;
    for (unsigned i = 0; i < 3; i++) { /* the block length depends on the rate */
        const double info_bits = fmax(8 * rate * packet_coded_bytes, 128);
        const double block_bits = info_bits / ceil(info_bits / BLOCK_BITS);
        loss_db = r->margin_db + SHORT_BLOCK_DB * fmax(log2(BLOCK_BITS / block_bits), 0);
        rate = fmin(srec_layer_code_rate(r->modulation, (float)(r->snr_db[j->layer] - loss_db)), most);
    }
    *threshold_db = srec_layer_threshold_db(r->modulation, rate) + (float)loss_db;
    return rate;
}

static void plan_layer(job *j, srec_layer_plan *p)
{
    const srec_modulation m = j->request->modulation;
    j->n_pieces = choose_pieces(j);
    const double coded = coded_bytes(j, j->symbols, j->n_pieces);
    *p = (srec_layer_plan){ .n_symbols = (size_t)j->symbols };
    p->code_rate = choose_rate(j, coded / j->n_pieces, &p->threshold_db);
    p->budget.n_parity = choose_parity(j);
    p->budget.n_data = j->n_pieces - p->budget.n_parity;
    const double info = floor(p->code_rate * coded) - (double)j->n_pieces * SREC_LAYER_TAG_BYTES;
    p->budget.byte_cost = 8 / (p->code_rate * srec_modem_bits_per_symbol(m));
    p->budget.bytes = info > 0 ? (size_t)info : 0;
    const double piece_max = floor(p->code_rate * (double)srec_layer_packet_coded_bytes_max(m)) - SREC_LAYER_TAG_BYTES;
    p->budget.piece_bytes_max = (size_t)fmin(piece_max, SREC_LAYERS_PIECE_BYTES_MAX);
}

/* ---- request ----------------------------------------------------------------------------------------------------- */

static srec_status check(const srec_layers_request *r, srec_error *error)
{
    const srec_layers_format *f = &r->format;
    if (!srec_layers_format_valid(f))
        return srec_fail(error, SREC_ERR_ARG, "an image of %ux%u pixels and %u channels in %u layers: impossible",
                         f->width, f->height, f->channels, f->n_layers);
    if ((unsigned)r->modulation >= SREC_PAM256)
        return srec_fail(error, SREC_ERR_ARG, "layers cannot be sent by %s: it carries amplitudes",
                         r->modulation == SREC_PAM256 ? srec_modulation_name(r->modulation) : "an unknown modulation");
    const float least = srec_layer_least_snr_db(r->modulation);
    for (unsigned i = 0; i < f->n_layers; i++) {
        if (!(r->snr_db[i] >= least && r->snr_db[i] <= 100))
            return srec_fail(error, SREC_ERR_ARG, "a layer for %g dB: %s needs %g dB at least, or headers are lost",
                             (double)r->snr_db[i], srec_modulation_name(r->modulation), (double)least);
        if (i && r->snr_db[i] <= r->snr_db[i - 1])
            return srec_fail(error, SREC_ERR_ARG, "layers for %g and %g dB: SNRs must ascend", (double)r->snr_db[i - 1],
                             (double)r->snr_db[i]);
        if (!(r->share[i] >= 0 && r->share[i] <= 1e6f))
            return srec_fail(error, SREC_ERR_ARG, "a share of %g: impossible", (double)r->share[i]);
    }
    if (!(r->margin_db >= -10 && r->margin_db <= 30))
        return srec_fail(error, SREC_ERR_ARG, "a margin of %g dB; -10 to 30 are possible", (double)r->margin_db);
    if (!(r->cbr > 0 && r->cbr <= 1e6) || (r->rate_max != 0 && !(r->rate_max >= RATE_LEAST)) ||
        r->n_parity > (int)SREC_LAYERS_PIECES_MAX)
        return srec_fail(error, SREC_ERR_ARG, "a cbr of %g, a code rate of %g or %d parity pieces: impossible", r->cbr,
                         r->rate_max, r->n_parity);
    return SREC_OK;
}

static double share_of(const srec_layers_request *r, unsigned layer)
{
    double sum = 0;
    for (unsigned i = 0; i < r->format.n_layers; i++)
        sum += (double)r->share[i];
    return sum > 0 ? (double)r->share[layer] / sum : 1.0 / r->format.n_layers;
}

/* Symbols of a layer that has just the least bytes, in one piece. */
static double least_symbols(const job *j, const srec_layer_plan *p)
{
    const double bits = srec_modem_bits_per_symbol(j->request->modulation);
    const double bytes = (double)srec_layers_least_bytes(&j->request->format, p->budget.n_data, p->budget.n_parity);
    const double info = bytes + (double)j->n_pieces * SREC_LAYER_TAG_BYTES;
    return j->symbols + 8 / bits * (info / p->code_rate - coded_bytes(j, j->symbols, j->n_pieces)) + head_symbols(j);
}

srec_status srec_layers_plan(const srec_layers_request *request, srec_layer_plan *plans, srec_error *error)
{
    if (!request || !plans)
        return srec_fail(error, SREC_ERR_ARG, "no request or no place for the plans");
    const srec_status status = check(request, error);
    if (status != SREC_OK)
        return status;
    const uint64_t pixels = (uint64_t)request->format.width * request->format.height;
    const double samples = 3 * (double)(request->original_pixels ? request->original_pixels : pixels);
    double least_cbr = 0;
    for (unsigned i = 0; i < request->format.n_layers; i++) {
        const double share = share_of(request, i);
        job j = { .request = request, .layer = i, .symbols = floor(request->cbr * samples * share) };
        plan_layer(&j, &plans[i]);
        if (plans[i].budget.bytes <
            srec_layers_least_bytes(&request->format, plans[i].budget.n_data, plans[i].budget.n_parity))
            least_cbr = fmax(least_cbr, share > 0 ? least_symbols(&j, &plans[i]) / share / samples : 1e6);
    }
    if (least_cbr > 0)
        return srec_fail(error, SREC_ERR_ARG, "a cbr of %g is too small for these layers: %.4g suffices", request->cbr,
                         1.01 * least_cbr);
    return SREC_OK;
}
