/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common.h"

#include <gnuradio/io_signature.h>
#include <gnuradio/srec/packet_encoder.h>

namespace gr {
namespace srec {

class packet_encoder_impl : public packet_encoder
{
    const pmt::pmt_t d_in = pmt::mp("in"), d_out = pmt::mp("out"), d_info = pmt::mp("info");
    const srec_modulation d_modulation;
    srec_key d_key;
    uint64_t d_session = 0, d_dropped = 0;
    handle<srec_packet_encoder, srec_packet_encoder_free> d_encoder; /* of d_session */
    once d_once;

    void drop(const std::string& why)
    {
        d_dropped++;
        if (d_once(why))
            d_logger->warn("slice dropped: {:s} (said once)", why);
        message_port_pub(d_info, put_u64(pmt::make_dict(), "dropped", d_dropped));
    }

    void handle_slice(const pmt::pmt_t& msg)
    {
        if (is_eof(msg))
            return message_port_pub(d_out, msg);
        slice_pdu s;
        if (!pmt::is_pdu(msg) || !pmt::is_u8vector(pmt::cdr(msg)) || !slice_from_dict(pmt::car(msg), s))
            return drop("not a slice PDU (dict . u8vector)");
        const pmt::pmt_t meta = pmt::car(msg);
        if (!pmt::dict_has_key(meta, pmt::mp("session")))
            return drop("no session: put a scrambler before the packet encoder");
        const uint64_t session = get_u64(meta, "session");
        if (!d_encoder || session != d_session) {
            srec_packet_encoder* e = nullptr;
            if (srec_packet_encoder_create(&d_key, session, &e) != SREC_OK)
                return drop("no packet encoder for the session");
            d_encoder.reset(e);
            d_session = session;
        }
        size_t length, n_frame;
        const uint8_t* payload = pmt::u8vector_elements(pmt::cdr(msg), length);
        std::vector<uint8_t> frame(SREC_FRAME_MAX);
        srec_error error{};
        if (srec_packet_encode(d_encoder.get(), d_modulation, get_u64(meta, "packet"), get_bool(meta, "clear"), &s.slice, payload, length, frame.data(), frame.size(), &n_frame, &error) != SREC_OK)
            return drop(error.message);
        pmt::pmt_t out = put(pmt::make_dict(), "modulation", pmt::mp(srec_modulation_name(d_modulation)));
        for (const char* key : { "session", "packet", "picture", "slice", "slices" })
            out = put_u64(out, key, get_u64(meta, key));
        out = put_u64(out, "n_features", length);
        message_port_pub(d_out, pmt::cons(out, pmt::init_u8vector(n_frame, frame.data())));
    }

public:
    packet_encoder_impl(const std::string& key, const std::string& modulation)
        : gr::block("packet_encoder", gr::io_signature::make(0, 0, 0), gr::io_signature::make(0, 0, 0)), d_modulation(modulation_from(modulation)), d_key(key_from(key))
    {
        message_port_register_in(d_in);
        message_port_register_out(d_out);
        message_port_register_out(d_info);
        set_msg_handler(d_in, [this](const pmt::pmt_t& msg) { handle_slice(msg); });
    }
    ~packet_encoder_impl() override { srec_key_wipe(&d_key); }
};

packet_encoder::sptr packet_encoder::make(const std::string& key, const std::string& modulation) { return gnuradio::make_block_sptr<packet_encoder_impl>(key, modulation); }

} // namespace srec
} // namespace gr
