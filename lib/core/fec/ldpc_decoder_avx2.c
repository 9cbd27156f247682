/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  LDPC decoder with AVX2: 32 checks of a row at a time, all values 8-bit integers. ldpc_decoder.h has the arithmetic.
 *
 *  A column is not rotated back after a row: the results are stored in the order in which the row needed them, and
 *  rotation[column] remembers the shift. The next row's offset is the difference of the two shifts. Columns are stored
 *  twice in a row, so an offset needs no wrap-around. */
#include "ldpc_decoder.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

bool srec_ldpc_has_avx2(void) { return __builtin_cpu_supports("avx2"); }

#define VECTORS_MAX (SREC_LDPC_Z_MAX / SREC_LDPC_LANES)

/* What the two passes over a row share. */
typedef struct {
    unsigned n;        /* edges, the row's own parity bit included */
    unsigned n_shared; /* edges whose columns other rows read as well: all but the own parity bit */
    unsigned z;
    unsigned z_padded; /* z, to whole vectors */
    const int8_t *in[SREC_LDPC_ROW_EDGES_MAX];
    int8_t *out[SREC_LDPC_ROW_EDGES_MAX];
    int8_t *message;    /* (n, z_padded) */
    int8_t *difference; /* (n, z_padded) */
} row_job;

/* Of the checks of a row: least and second least magnitude, product of the signs (in the sign bit). */
typedef struct {
    __m256i least[VECTORS_MAX];
    __m256i second[VECTORS_MAX];
    __m256i sign[VECTORS_MAX];
} row_minima;

static unsigned padded(unsigned z) { return (z + SREC_LDPC_LANES - 1) / SREC_LDPC_LANES * SREC_LDPC_LANES; }

static int8_t *column_of(srec_ldpc_scratch *s, unsigned column)
{
    return s->posterior + column * SREC_LDPC_COLUMN_STRIDE;
}

/* Divisions take longer than a whole vector of checks: the shifts are reduced once for a code. */
static void reduce_shifts(const srec_ldpc_block *b, srec_ldpc_scratch *s)
{
    if (s->graph == b->graph && s->z == b->z)
        return;
    s->graph = b->graph;
    s->z = b->z;
    for (unsigned k = 0; k < b->graph->row[b->graph->n_rows]; k++)
        s->shift[k] = (uint16_t)(b->graph->edges[k].shift % b->z);
}

static row_job prepare_row(const srec_ldpc_block *b, srec_ldpc_scratch *s, unsigned row)
{
    const srec_ldpc_graph *g = b->graph;
    const unsigned first = g->row[row];
    const bool extension = row >= SREC_LDPC_CORE_ROWS;
    row_job job;
    job.n = g->row[row + 1] - first;
    job.n_shared = job.n - extension;
    job.z = b->z;
    job.z_padded = padded(b->z);
    job.difference = s->difference;
    job.message = s->message + first * job.z_padded;
    for (unsigned k = 0; k < job.n; k++) {
        const unsigned column = g->edges[first + k].column;
        const unsigned shift = s->shift[first + k];
        const unsigned rotation = s->rotation[column];
        job.out[k] = column_of(s, column);
        job.in[k] = job.out[k] + (shift >= rotation ? shift - rotation : shift + b->z - rotation);
    }
    if (extension)
        job.out[job.n_shared] = s->extension + row * job.z_padded;
    return job;
}

static void remember_rotations(const srec_ldpc_block *b, srec_ldpc_scratch *s, unsigned row)
{
    const srec_ldpc_graph *g = b->graph;
    const unsigned end = g->row[row + 1] - (row >= SREC_LDPC_CORE_ROWS ? 1u : 0u);
    for (unsigned k = g->row[row]; k < end; k++)
        s->rotation[g->edges[k].column] = s->shift[k];
}

static inline AVX2 __m256i load(const int8_t *at) { return _mm256_loadu_si256((const __m256i *)(const void *)at); }
static inline AVX2 void store(int8_t *at, __m256i v) { _mm256_storeu_si256((__m256i *)(void *)at, v); }

static inline AVX2 __m256i magnitude(__m256i x) { return _mm256_min_epu8(_mm256_abs_epi8(x), _mm256_set1_epi8(127)); }

/* Three quarters, rounded towards zero. */
static inline AVX2 __m256i normalise(__m256i m)
{
    const __m256i quarter =
        _mm256_and_si256(_mm256_srli_epi16(_mm256_add_epi8(m, _mm256_set1_epi8(3)), 2), _mm256_set1_epi8(0x3f));
    return _mm256_sub_epi8(m, quarter);
}

/* First pass: differences x and their minima. Locals, since a store to int8_t might change any member of job. */
static inline AVX2 void read_row(const row_job *job, row_minima *minima)
{
    const unsigned n = job->n;
    const size_t z = job->z_padded;
    for (size_t v = 0; v < z; v += SREC_LDPC_LANES) {
        const int8_t *message = job->message + v;
        int8_t *difference = job->difference + v;
        __m256i least = _mm256_set1_epi8(127);
        __m256i second = least;
        __m256i sign = _mm256_setzero_si256();
        for (unsigned k = 0; k < n; k++, message += z, difference += z) {
            const __m256i x = _mm256_subs_epi8(load(job->in[k] + v), load(message));
            const __m256i m = magnitude(x);
            store(difference, x);
            sign = _mm256_xor_si256(sign, x);
            second = _mm256_min_epu8(second, _mm256_max_epu8(least, m));
            least = _mm256_min_epu8(least, m);
        }
        minima->least[v / SREC_LDPC_LANES] = least;
        minima->second[v / SREC_LDPC_LANES] = second;
        minima->sign[v / SREC_LDPC_LANES] = sign;
    }
}

/* The row's messages to one edge: from the least magnitude of the other edges and the product of their signs. */
static inline AVX2 __m256i message_to(__m256i x, __m256i least, __m256i from_least, __m256i from_second, __m256i sign)
{
    const __m256i m = _mm256_blendv_epi8(from_least, from_second, _mm256_cmpeq_epi8(magnitude(x), least));
    return _mm256_sign_epi8(m, _mm256_or_si256(_mm256_xor_si256(sign, x), _mm256_set1_epi8(1)));
}

/* Second pass: messages and posteriors. It begins when all of the row is read, since the posteriors are stored in
 * another order than that in which they were read. */
static inline AVX2 void write_row(const row_job *job, const row_minima *minima)
{
    const unsigned n = job->n_shared;
    const size_t z = job->z_padded;
    for (size_t v = 0; v < z; v += SREC_LDPC_LANES) {
        const __m256i least = minima->least[v / SREC_LDPC_LANES];
        const __m256i sign = minima->sign[v / SREC_LDPC_LANES];
        const __m256i from_least = normalise(least);
        const __m256i from_second = normalise(minima->second[v / SREC_LDPC_LANES]);
        const int8_t *difference = job->difference + v;
        int8_t *message = job->message + v;
        for (unsigned k = 0; k < n; k++, message += z, difference += z) {
            const __m256i x = load(difference);
            const __m256i t = message_to(x, least, from_least, from_second, sign);
            const __m256i posterior = _mm256_adds_epi8(x, t);
            int8_t *out = job->out[k] + v;
            store(message, t);
            store(out, posterior);
            store(out + z, posterior); /* right where z is a whole number of vectors, else see below */
        }
        if (n < job->n) { /* the own parity bit: its column keeps the channel's LLR */
            const __m256i x = load(difference);
            store(job->out[n] + v, _mm256_adds_epi8(x, message_to(x, least, from_least, from_second, sign)));
        }
    }
    for (unsigned k = 0; k < n && job->z != z; k++)
        memcpy(job->out[k] + job->z, job->out[k], job->z);
}

static AVX2 bool row_is_met(const row_job *job)
{
    for (unsigned v = 0; v < job->z; v += SREC_LDPC_LANES) {
        __m256i sign = _mm256_setzero_si256();
        for (unsigned k = 0; k < job->n; k++)
            sign = _mm256_xor_si256(sign, load((k == job->n_shared ? job->out[k] : job->in[k]) + v));
        unsigned unmet = (unsigned)_mm256_movemask_epi8(sign);
        if (job->z - v < SREC_LDPC_LANES)
            unmet &= (1u << (job->z - v)) - 1;
        if (unmet)
            return false;
    }
    return true;
}

static AVX2 bool all_checks_met(const srec_ldpc_block *b, srec_ldpc_scratch *s)
{
    for (unsigned row = 0; row < b->n_rows; row++) {
        const row_job job = prepare_row(b, s, row);
        if (!row_is_met(&job))
            return false;
    }
    return true;
}

static void load_channel(const srec_ldpc_block *b, srec_ldpc_scratch *s)
{
    const unsigned n_columns = b->graph->n_info + b->n_rows;
    for (unsigned column = 0; column < n_columns; column++) {
        int8_t *at = column_of(s, column);
        memcpy(at, b->channel + (size_t)column * b->z, b->z);
        memcpy(at + b->z, at, b->z);
        s->rotation[column] = 0;
    }
    memset(s->message, 0, (size_t)b->graph->row[b->n_rows] * padded(b->z));
}

static void read_bits(const srec_ldpc_block *b, srec_ldpc_scratch *s)
{
    for (unsigned column = 0; column < b->graph->n_info; column++) {
        const int8_t *at = column_of(s, column) + (b->z - s->rotation[column]) % b->z;
        for (unsigned i = 0; i < b->z; i++)
            b->bits[(size_t)column * b->z + i] = at[i] < 0;
    }
}

AVX2 void srec_ldpc_decode_avx2(srec_ldpc_block *b, srec_ldpc_scratch *s)
{
    row_minima minima;
    reduce_shifts(b, s);
    load_channel(b, s);
    b->checks_met = false;
    for (b->iterations = 0; b->iterations < b->iterations_max && !b->checks_met; b->iterations++) {
        for (unsigned row = 0; row < b->n_rows; row++) {
            const row_job job = prepare_row(b, s, row);
            read_row(&job, &minima);
            write_row(&job, &minima);
            remember_rotations(b, s, row);
        }
        b->checks_met = all_checks_met(b, s);
    }
    read_bits(b, s);
}

#else

bool srec_ldpc_has_avx2(void) { return false; }
void srec_ldpc_decode_avx2(srec_ldpc_block *b, srec_ldpc_scratch *s) { srec_ldpc_decode_reference(b, s); }

#endif
