/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pdu_block.h"

#include <gnuradio/io_signature.h>
#include <gnuradio/srec/packet_encoder.h>
#include <map>

namespace gr {
namespace srec {

class packet_encoder_impl : public pdu_block<packet_encoder>
{
    static constexpr size_t MAX_SESSIONS = 1024; /* a scrambler has one */
    const srec_modulation d_modulation;
    const shared_key d_key;
    /* One per session, for ever. It knows which packet numbers were used, so that no
     * (key, nonce) pair repeats when sessions alternate. */
    std::map<uint64_t, handle<srec_packet_encoder, srec_packet_encoder_free>> d_encoders;

    void handle_pdu(const pmt::pmt_t& msg) override
    {
        slice_pdu s;
        if (!is_u8_pdu(msg) || !slice_from_dict(pmt::car(msg), s))
            return drop("not a slice PDU (dict . u8vector)");
        const pmt::pmt_t meta = pmt::car(msg);
        if (!has_number(meta, "session") || !has_number(meta, "packet"))
            return drop(
                "no session or packet number: put a scrambler before the packet encoder");
        srec_cipher cipher;
        if (srec_cipher_parse(get_text(meta, "cipher").c_str(), &cipher) != SREC_OK)
            return drop("no cipher: put a scrambler before the packet encoder");
        const uint64_t session = get_u64(meta, "session");
        auto& encoder = d_encoders[session];
        if (!encoder) {
            srec_packet_encoder* e = nullptr;
            if (d_encoders.size() > MAX_SESSIONS ||
                srec_packet_encoder_create(d_key.get(), session, &e, NULL) != SREC_OK) {
                d_encoders.erase(session);
                return drop(
                    "no packet encoder for the session: too many sessions, or no memory");
            }
            encoder.reset(e);
        }
        size_t length, n_frame;
        const uint8_t* payload = pmt::u8vector_elements(pmt::cdr(msg), length);
        std::vector<uint8_t> frame(SREC_FRAME_MAX);
        srec_error error{};
        if (srec_packet_encode(encoder.get(),
                               d_modulation,
                               get_u64(meta, "packet"),
                               cipher,
                               &s.slice,
                               payload,
                               length,
                               frame.data(),
                               frame.size(),
                               &n_frame,
                               &error) != SREC_OK)
            return drop(error.message);
        pmt::pmt_t out = put(
            pmt::make_dict(), "modulation", pmt::mp(srec_modulation_name(d_modulation)));
        for (const char* key : { "session", "packet", "picture", "slice", "slices" })
            out = put_u64(out, key, get_u64(meta, key));
        out = put_u64(out, "n_features", length);
        send(out, pmt::init_u8vector(n_frame, frame.data()));
    }

public:
    packet_encoder_impl(const shared_key& key, const std::string& modulation)
        : gr::block("packet_encoder",
                    gr::io_signature::make(0, 0, 0),
                    gr::io_signature::make(0, 0, 0)),
          pdu_block({ "in", "out" }, "slice"), d_modulation(modulation_from(modulation)),
          d_key(key)
    {
    }
};

packet_encoder::sptr packet_encoder::make(const shared_key& key,
                                          const std::string& modulation)
{
    return gnuradio::make_block_sptr<packet_encoder_impl>(key, modulation);
}

} // namespace srec
} // namespace gr
