/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "damage.h"
#include "guard.h"

#include <atomic>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/descrambler.h>

namespace gr {
namespace srec {

class descrambler_impl : public guarded<descrambler>
{
    const pmt::pmt_t d_in = pmt::mp("in"), d_out = pmt::mp("out"),
                     d_info = pmt::mp("info");
    std::shared_ptr<const srec_model> d_model;
    handle<srec_descrambler, srec_descrambler_free> d_descrambler[SREC_FEATURE_FORMATS];
    uint64_t d_dropped = 0;
    /* A key, and its scrambler for the session received last. */
    struct stream {
        const shared_key key;
        uint64_t session = 0;
        handle<srec_scrambler, srec_scrambler_free> scrambler;
        explicit stream(const shared_key& k) : key(k) {}
        bool of_session(uint64_t wanted)
        {
            srec_scrambler* raw = nullptr;
            if (scrambler && session == wanted)
                return true;
            if (srec_scrambler_create(key.get(), wanted, &raw, NULL) != SREC_OK)
                return false;
            scrambler.reset(raw);
            session = wanted;
            return true;
        }
    };
    /* For encrypted packets, and for those in clear. */
    stream d_secret, d_clear;
    std::atomic<bool> d_soft;
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
        if (!pmt::is_pdu(msg) || !pmt::is_f32vector(pmt::cdr(msg)) ||
            !slice_from_dict(pmt::car(msg), s))
            return drop("not a soft slice PDU (dict . f32vector)");
        const pmt::pmt_t meta = pmt::car(msg);
        srec_modulation modulation;
        size_t length;
        const float* soft = pmt::f32vector_elements(pmt::cdr(msg), length);
        const size_t n = srec_slice_bytes(d_model.get(), &s.slice);
        if (srec_modulation_parse(get_text(meta, "modulation").c_str(), &modulation) !=
                SREC_OK ||
            (unsigned)s.slice.format >= SREC_FEATURE_FORMATS || !n ||
            length != n * srec_modem_soft_per_byte(modulation))
            return drop("modulation, rate map and number of soft values do not fit");
        if (s.slice.model_id != srec_model_id(d_model.get()))
            return drop("made with another model: its priors are not known here");
        srec_cipher cipher;
        if (srec_cipher_parse(get_text(meta, "cipher").c_str(), &cipher) != SREC_OK ||
            (cipher == SREC_CIPHER_XOR && modulation == SREC_PAM256))
            return drop("no cipher, or one that does not go with the modulation");
        if (!has_number(meta, "session") || !has_number(meta, "packet"))
            return drop("no session or packet number, so no keystream and no order");
        stream& from = cipher == SREC_CIPHER_NONE ? d_clear : d_secret;
        if (!from.of_session(get_u64(meta, "session")))
            return drop("no keystream for the session");
        srec_scrambler* scrambler = from.scrambler.get();
        const uint64_t packet = get_u64(meta, "packet");
        std::vector<uint8_t> keystream(cipher == SREC_CIPHER_ADD ? n : 0), tables(n);
        std::vector<float> ordered(length);
        if ((modulation == SREC_PAM256
                 ? srec_scrambler_restore_amplitude(
                       scrambler, packet, soft, ordered.data(), n)
                 : srec_scrambler_restore_llr(
                       scrambler, packet, cipher, soft, ordered.data(), n)) != SREC_OK)
            return drop("more than " + std::to_string(SREC_PAYLOAD_MAX) + " features");
        soft = ordered.data();
        if (cipher == SREC_CIPHER_ADD)
            srec_scrambler_keystream(scrambler, packet, 0, keystream.data(), n);
        srec_slice_prior_tables(d_model.get(), &s.slice, tables.data(), n);
        std::vector<float> estimate(2 * n);
        srec_descrambler* d = d_descrambler[s.slice.format].get();
        const uint8_t* key = cipher == SREC_CIPHER_ADD ? keystream.data() : nullptr;
        float* mean = estimate.data();
        float* deviation = mean + n;
        const srec_status status =
            d_soft ? srec_descrambler_soft(d,
                                           modulation,
                                           key,
                                           soft,
                                           tables.data(),
                                           s.slice.rate_map,
                                           s.slice.n_patches,
                                           n,
                                           mean,
                                           deviation)
                   : srec_descrambler_hard(d, modulation, key, soft, n, mean, deviation);
        if (status != SREC_OK)
            return drop(srec_strerror(status));
        srec_damage damage;
        srec_descrambler_damage(d, &damage);
        const srec_damage header = get_damage(meta);
        srec_damage_add(&damage, &header);
        const pmt::pmt_t out = put_damage(meta, damage);
        /* Hard deviations of 0 carry no information; `soft` tells the decoder so. */
        message_port_pub(d_out,
                         pmt::cons(d_soft ? out : put(out, "soft", pmt::PMT_F),
                                   pmt::init_f32vector(2 * n, estimate)));
    }

public:
    descrambler_impl(const shared_key& key,
                     const std::string& model,
                     bool soft,
                     const shared_key& clear_key)
        : gr::block("descrambler",
                    gr::io_signature::make(0, 0, 0),
                    gr::io_signature::make(0, 0, 0)),
          d_model(model_from(model)), d_secret(key), d_clear(clear_key), d_soft(soft)
    {
        for (unsigned f = 0; f < SREC_FEATURE_FORMATS; f++) {
            srec_descrambler* d = nullptr;
            srec_error error{};
            require(
                srec_descrambler_create(
                    srec_model_priors(d_model.get(), (srec_feature_format)f), &d, &error),
                error);
            d_descrambler[f].reset(d);
        }
        message_port_register_in(d_in);
        message_port_register_out(d_out);
        message_port_register_out(d_info);
        set_msg_handler(d_in, [this](const pmt::pmt_t& msg) { handle_slice(msg); });
    }
    void set_soft(bool soft) override { d_soft = soft; }
    bool soft() const override { return d_soft; }
};

descrambler::sptr
descrambler::make(const shared_key& key, const std::string& model, bool soft)
{
    return make(key, model, soft, key);
}

descrambler::sptr descrambler::make(const shared_key& key,
                                    const std::string& model,
                                    bool soft,
                                    const shared_key& clear_key)
{
    return gnuradio::make_block_sptr<descrambler_impl>(key, model, soft, clear_key);
}

} // namespace srec
} // namespace gr
