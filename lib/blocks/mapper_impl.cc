/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pdu_block.h"

#include <algorithm>
#include <chrono>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/mapper.h>
#include <srec/burst.h>
#include <thread>

namespace gr {
namespace srec {

class mapper_impl : public pdu_block<mapper>
{
    static constexpr size_t MAX_FRAMES = 4096;
    const srec_modulation d_modulation;
    const pmt::pmt_t d_tag;
    /* Filled by the handler, which runs in the thread of work(). */
    std::deque<pmt::pmt_t> d_frames;
    std::vector<gr_complex> d_symbols; /* of the current frame */
    size_t d_sent = 0;
    pmt::pmt_t d_meta;
    bool d_ended = false;
    uint64_t d_picture_symbols = 0, d_picture_header = 0, d_picture_packets = 0,
             d_picture_burst = 0;

    static bool is_last(const pmt::pmt_t& meta)
    {
        return get_u64(meta, key::slice) + 1 == get_u64(meta, key::slices);
    }

    void handle_pdu(const pmt::pmt_t& msg) override
    {
        if (!is_u8_pdu(msg) || pmt::length(pmt::cdr(msg)) == 0)
            return drop("not a frame PDU (dict . u8vector)", msg);
        if (pmt::length(pmt::cdr(msg)) % srec_modem_byte_granule(d_modulation))
            return drop("frame of a length that this modulation cannot carry: is the "
                        "packet encoder set to another one?",
                        msg);
        const std::string made_for = get_text(pmt::car(msg), key::modulation);
        if (!made_for.empty() && made_for != srec_modulation_name(d_modulation))
            return drop("made for " + made_for + ", but this mapper is set to " +
                            srec_modulation_name(d_modulation),
                        msg);
        /* The last frame of an image reports the image, and sources wait for the report.
         * It therefore has additional room. */
        if (d_frames.size() >= (is_last(pmt::car(msg)) ? 2 : 1) * MAX_FRAMES)
            return drop("frames come faster than they are sent", msg);
        d_frames.push_back(msg);
    }

    /* work() ends the stream after the frames that wait. */
    void handle_end() override { d_frames.push_back(eof_pdu()); }

    /* Maps the next frame.
     * \return false: nothing to send */
    bool load()
    {
        if (d_frames.empty())
            return false;
        const pmt::pmt_t msg = d_frames.front();
        d_frames.pop_front();
        d_sent = 0;
        d_meta = pmt::car(msg);
        if (is_eof(msg)) {
            d_symbols.assign(1, gr_complex(0, 0));
            d_ended = true;
            return true;
        }
        size_t length;
        const uint8_t* bytes = pmt::u8vector_elements(pmt::cdr(msg), length);
        d_symbols.resize(srec_modem_symbols(d_modulation, length));
        srec_modem_map(
            d_modulation, bytes, length, reinterpret_cast<float*>(d_symbols.data()));
        return true;
    }

    void frame_left()
    {
        const size_t payload =
            srec_modem_symbols(d_modulation, get_u64(d_meta, key::payload_bytes));
        d_picture_symbols += d_symbols.size();
        d_picture_header += d_symbols.size() - std::min(payload, d_symbols.size());
        d_picture_burst += srec_burst_symbols(d_symbols.size());
        d_picture_packets++;
        if (!is_last(d_meta))
            return;
        pmt::pmt_t info = pmt::make_dict();
        info = put_u64(info, key::picture, get_u64(d_meta, key::picture));
        info = put_u64(info, key::n_symbols, d_picture_symbols);
        info = put_u64(info, key::header_symbols, d_picture_header);
        info = put_u64(info, key::burst_symbols, d_picture_burst);
        info = put_u64(info, key::packets_sent, d_picture_packets);
        report("picture", info);
        d_picture_symbols = d_picture_header = d_picture_packets = d_picture_burst = 0;
    }

public:
    mapper_impl(const std::string& modulation, const std::string& len_tag_key)
        : gr::sync_block("mapper",
                         gr::io_signature::make(0, 0, 0),
                         gr::io_signature::make(1, 1, sizeof(gr_complex))),
          pdu_block({ "in", nullptr }, "frame"),
          d_modulation(modulation_from(modulation)), d_tag(pmt::mp(len_tag_key))
    {
    }

    int work(int noutput_items,
             gr_vector_const_void_star&,
             gr_vector_void_star& output_items) override
    {
        auto* out = static_cast<gr_complex*>(output_items[0]);
        int n = 0;
        while (n < noutput_items) {
            if (d_sent == d_symbols.size()) {
                if (d_ended)
                    return n ? n : WORK_DONE;
                if (!load())
                    break;
                if (d_ended)
                    add_item_tag(
                        0, nitems_written(0) + n, pmt::mp(key::srec_eof), pmt::PMT_T);
                else
                    add_item_tag(0,
                                 nitems_written(0) + n,
                                 d_tag,
                                 pmt::from_long(d_symbols.size()));
            }
            const size_t part =
                std::min<size_t>(noutput_items - n, d_symbols.size() - d_sent);
            std::copy_n(d_symbols.begin() + d_sent, part, out + n);
            d_sent += part;
            n += part;
            if (d_sent == d_symbols.size() && !d_ended)
                frame_left();
        }
        /* Messages are handled between calls: return soon, but do not spin. */
        if (n == 0)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return n;
    }
};

mapper::sptr mapper::make(const std::string& modulation, const std::string& len_tag_key)
{
    return gnuradio::make_block_sptr<mapper_impl>(modulation, len_tag_key);
}

} // namespace srec
} // namespace gr
