/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  The keys of metadata, of info dicts and of stream tags: key::picture is "picture".
 *  docs/blocks.md gives their meaning. Python reads the list with srec.metadata_keys(). */
#ifndef INCLUDED_SREC_METADATA_KEYS_H
#define INCLUDED_SREC_METADATA_KEYS_H

#include <string>
#include <vector>

/* One topic a group. */
// clang-format off
#define SREC_METADATA_KEYS(X)                                                     \
    /* any PDU */                                                                 \
    X(eof) X(picture) X(first_picture) X(width) X(height) X(channels)             \
    /* slices and packets */                                                      \
    X(model) X(format) X(slice) X(slices) X(rate_map) X(sent_scale)               \
    X(session) X(packet) X(cipher) X(modulation) X(soft) X(n_features)            \
    /* coded layers */                                                            \
    X(coding) X(layers) X(layer) X(piece) X(pieces) X(data_pieces)                \
    X(parity_pieces) X(description) X(payload_bytes) X(origin)                    \
    X(redundancy_version) X(original_width) X(original_height) X(code_rate)       \
    X(code_rates) X(rms_error) X(rms_errors)                                      \
    X(layer_snr_db) X(threshold_db) X(bits_per_pixel) X(planned_symbols)          \
    X(used_symbols) X(cbr) X(layers_sent) X(layers_received) X(pieces_sent)       \
    X(pieces_received) X(pieces_recovered)                                        \
    /* bursts */                                                                  \
    X(burst) X(snr_db) X(cfo) X(drift) X(clock_ppm) X(level_db) X(sample)         \
    X(inverted)                                                                   \
    /* received images */                                                         \
    X(patches) X(patches_lost) X(slices_lost) X(mean_deviation) X(deviation)      \
    X(decode_s) X(precision) X(partial) X(partials) X(reason)                     \
    X(enhanced) X(enhancer) X(enhance_s) X(enhance_skipped) X(scale)              \
    X(enhancer_precision)                                                         \
    /* damage */                                                                  \
    X(damage) X(header_bits) X(header_errors) X(header_errors_expected)           \
    X(header_errors_tolerated) X(features) X(features_random) X(within_sum)       \
    X(within_expected) X(within_variance) X(between_sum) X(between_variance)      \
    X(random_percent) X(relation) X(suspect)                                      \
    /* info dicts */                                                              \
    X(event) X(kind) X(text) X(queue) X(encode_s) X(entropy_bits) X(eta)          \
    X(n_symbols) X(header_symbols) X(burst_symbols) X(packets_sent)               \
    X(peak_db) X(clipped) X(samples)                                              \
    /* counters */                                                                \
    X(dropped) X(passed) X(late) X(too_large)                                     \
    X(accepted) X(damaged) X(forged) X(replayed) X(foreign_model) X(unsupported)  \
    X(truncated) X(uncorrected) X(bad_tag) X(duplicate) X(combined) X(summed)     \
    X(candidates) X(preambles) X(bursts) X(unreadable) X(foreign) X(skipped)      \
    /* stream tags */                                                             \
    X(srec_eof) X(n0) X(tx_sob) X(tx_eob)
// clang-format on

namespace gr {
namespace srec {

namespace key {
#define SREC_DEFINE_KEY(name) inline constexpr char name[] = #name;
SREC_METADATA_KEYS(SREC_DEFINE_KEY)
#undef SREC_DEFINE_KEY
} // namespace key

inline std::vector<std::string> metadata_keys()
{
#define SREC_KEY_TEXT(name) #name,
    return { SREC_METADATA_KEYS(SREC_KEY_TEXT) };
#undef SREC_KEY_TEXT
}

} // namespace srec
} // namespace gr

#endif
