/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "layer_pdu.h"
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
    struct session_encoders {
        handle<srec_packet_encoder, srec_packet_encoder_free> slices;
        handle<srec_layer_packet_encoder, srec_layer_packet_encoder_free> pieces;
    };
    std::map<uint64_t, session_encoders> d_encoders;

    bool create(uint64_t session, session_encoders& out, srec_error& error) const
    {
        srec_packet_encoder* slices = nullptr;
        srec_layer_packet_encoder* pieces = nullptr;
        if (srec_packet_encoder_create(d_key.get(), session, &slices, &error) != SREC_OK)
            return false;
        out.slices.reset(slices);
        if (srec_layer_packet_encoder_create(d_key.get(), slices, &pieces, &error) !=
            SREC_OK)
            return false;
        out.pieces.reset(pieces);
        return true;
    }

    /* \return a null pointer after an error, with \p why filled */
    session_encoders* encoders_of(uint64_t session, std::string& why)
    {
        auto& encoders = d_encoders[session];
        if (encoders.pieces)
            return &encoders;
        srec_error error{};
        if (d_encoders.size() > MAX_SESSIONS)
            why = "too many sessions, more than " + std::to_string(MAX_SESSIONS) +
                  ": one scrambler has one session";
        else if (create(session, encoders, error))
            return &encoders;
        else
            why = error.message;
        d_encoders.erase(session);
        return nullptr;
    }

    void handle_pdu(const pmt::pmt_t& msg) override
    {
        slice_pdu s;
        srec_layer_packet p;
        const bool piece = is_piece(msg);
        if (piece && !piece_from_pdu(msg, p))
            return drop("not a piece PDU (dict . u8vector)");
        if (!piece && (!is_u8_pdu(msg) || !slice_from_dict(pmt::car(msg), s)))
            return drop("not a slice PDU (dict . u8vector)");
        const pmt::pmt_t meta = pmt::car(msg);
        if (!has_number(meta, key::session) || !has_number(meta, key::packet))
            return drop(
                "no session or packet number: put a scrambler before the packet encoder");
        srec_cipher cipher;
        if (srec_cipher_parse(get_text(meta, key::cipher).c_str(), &cipher) != SREC_OK)
            return drop("no cipher: put a scrambler before the packet encoder");
        std::string why;
        session_encoders* encoders = encoders_of(get_u64(meta, key::session), why);
        if (!encoders)
            return drop(why);
        if (!piece)
            return encode_slice(encoders->slices.get(), s.slice, cipher, msg);
        p.signal.modulation = d_modulation;
        p.signal.cipher = cipher;
        encode_piece(encoders->pieces.get(), p, meta);
    }

    void encode_slice(srec_packet_encoder* encoder,
                      const srec_slice& slice,
                      srec_cipher cipher,
                      const pmt::pmt_t& msg)
    {
        const pmt::pmt_t meta = pmt::car(msg);
        size_t length, n_frame;
        const uint8_t* payload = pmt::u8vector_elements(pmt::cdr(msg), length);
        std::vector<uint8_t> frame(SREC_FRAME_MAX);
        srec_error error{};
        const srec_packet_content content{
            d_modulation, cipher, get_u64(meta, key::packet), &slice, payload, length
        };
        if (srec_packet_encode(
                encoder, &content, frame.data(), frame.size(), &n_frame, &error) !=
            SREC_OK)
            return drop(error.message);
        frame.resize(n_frame);
        publish(frame, length, meta);
    }

    void encode_piece(srec_layer_packet_encoder* encoder,
                      const srec_layer_packet& packet,
                      const pmt::pmt_t& meta)
    {
        size_t n_frame;
        std::vector<uint8_t> frame(SREC_FRAME_MAX);
        srec_error error{};
        const auto encode = packet.origin == packet.signal.packet
                                ? srec_layer_packet_encode
                                : srec_layer_packet_encode_repeat;
        if (encode(encoder, &packet, frame.data(), frame.size(), &n_frame, &error) !=
            SREC_OK)
            return drop(error.message);
        frame.resize(n_frame);
        publish(frame, packet.signal.payload_bytes, meta);
    }

    void publish(const std::vector<uint8_t>& frame,
                 size_t payload_bytes,
                 const pmt::pmt_t& meta)
    {
        pmt::pmt_t out = put(pmt::make_dict(),
                             key::modulation,
                             pmt::mp(srec_modulation_name(d_modulation)));
        for (const char* key :
             { key::session, key::packet, key::picture, key::slice, key::slices })
            out = put_u64(out, key, get_u64(meta, key));
        send(put_u64(out, key::payload_bytes, payload_bytes),
             pmt::init_u8vector(frame.size(), frame));
    }

public:
    packet_encoder_impl(const shared_key& key, const std::string& modulation)
        : gr::block("packet_encoder",
                    gr::io_signature::make(0, 0, 0),
                    gr::io_signature::make(0, 0, 0)),
          pdu_block({ "in", "out" }, "packet"), d_modulation(modulation_from(modulation)),
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
