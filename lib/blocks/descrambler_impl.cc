/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "damage.h"
#include "layer_pdu.h"
#include "pdu_block.h"

#include <atomic>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/descrambler.h>

namespace gr {
namespace srec {

class descrambler_impl : public pdu_block<descrambler>
{
    std::shared_ptr<const srec_model> d_model;
    handle<srec_estimator, srec_estimator_free> d_estimator;
    /* A key, and its scrambler for the session received last. */
    struct stream {
        const shared_key key;
        uint64_t session = 0;
        handle<srec_scrambler, srec_scrambler_free> scrambler;
        explicit stream(const shared_key& k) : key(k) {}
        srec_status of_session(uint64_t wanted, srec_error& error)
        {
            srec_scrambler* raw = nullptr;
            if (scrambler && session == wanted)
                return SREC_OK;
            const srec_status status =
                srec_scrambler_create(key.get(), wanted, &raw, &error);
            if (status != SREC_OK)
                return status;
            scrambler.reset(raw);
            session = wanted;
            return SREC_OK;
        }
    };
    /* For encrypted packets, and for those in clear. */
    stream d_secret, d_clear;
    std::atomic<bool> d_soft;

    /* Only a demonstration of eavesdropping has a key of its own for the payload: this is
     * no fault to warn of. */
    void drop_foreign()
    {
        static const char* const reason = "a piece of layers for another key";
        is_new(reason); /* drop() logs only new reasons */
        drop(reason);
    }

    /* The packet decoder has decrypted it, with the key of the headers: whoever has
     * another key for the payload does not get it. */
    void pass_piece(const pmt::pmt_t& msg)
    {
        if (get_text(pmt::car(msg), key::cipher) != "none" &&
            srec_key_equal(d_secret.key.get(), d_clear.key.get()) != 1)
            return drop_foreign();
        send(pmt::car(msg), pmt::cdr(msg));
    }

    void handle_pdu(const pmt::pmt_t& msg) override
    {
        if (is_piece(msg))
            return pass_piece(msg);
        if (!d_model)
            return drop("not a piece of layers, and this receiver has no model");
        slice_pdu s;
        if (!is_f32_pdu(msg) || !slice_from_dict(pmt::car(msg), s))
            return drop("not a soft slice PDU (dict . f32vector)");
        const pmt::pmt_t meta = pmt::car(msg);
        srec_modulation modulation;
        size_t length;
        const float* soft = pmt::f32vector_elements(pmt::cdr(msg), length);
        const size_t n = srec_slice_bytes(d_model.get(), &s.slice);
        if (srec_modulation_parse(get_text(meta, key::modulation).c_str(), &modulation) !=
                SREC_OK ||
            (unsigned)s.slice.format >= SREC_FEATURE_FORMATS || !n ||
            length != n * srec_modem_soft_per_byte(modulation))
            return drop("modulation, rate map and number of soft values do not fit");
        if (s.slice.model_id != srec_model_id(d_model.get()))
            return drop("made with another model: its priors are not known here");
        srec_cipher cipher;
        if (srec_cipher_parse(get_text(meta, key::cipher).c_str(), &cipher) != SREC_OK ||
            (cipher == SREC_CIPHER_XOR && modulation == SREC_PAM256))
            return drop("no cipher, or one that does not go with the modulation");
        if (!has_number(meta, key::session) || !has_number(meta, key::packet))
            return drop("no session or packet number, so no keystream and no order");
        stream& from = cipher == SREC_CIPHER_NONE ? d_clear : d_secret;
        srec_error error{};
        if (from.of_session(get_u64(meta, key::session), error) != SREC_OK)
            return drop(error.message);
        if (n > SREC_PAYLOAD_MAX)
            return drop("more than " + std::to_string(SREC_PAYLOAD_MAX) + " features");
        const srec_payload payload{
            modulation, cipher, get_u64(meta, key::packet), &s.slice, soft
        };
        const bool wants_soft = d_soft;
        std::vector<float> estimate(2 * n);
        const srec_status status = srec_estimator_run(d_estimator.get(),
                                                      from.scrambler.get(),
                                                      &payload,
                                                      wants_soft,
                                                      estimate.data(),
                                                      estimate.data() + n);
        if (status != SREC_OK)
            return drop(srec_strerror(status));
        srec_damage damage;
        srec_estimator_damage(d_estimator.get(), &damage);
        const srec_damage header = get_damage(meta);
        srec_damage_add(&damage, &header);
        const pmt::pmt_t out = put_damage(meta, damage);
        /* Hard deviations of 0 carry no information; `soft` tells the decoder so. */
        send(wants_soft ? out : put(out, key::soft, pmt::PMT_F),
             pmt::init_f32vector(2 * n, estimate));
    }

public:
    descrambler_impl(const shared_key& key,
                     const std::string& model,
                     bool soft,
                     const shared_key& clear_key)
        : gr::block("descrambler",
                    gr::io_signature::make(0, 0, 0),
                    gr::io_signature::make(0, 0, 0)),
          pdu_block({ "in", "out" }, "slice"),
          d_model(model == "none" ? nullptr : model_from(model)), d_secret(key),
          d_clear(clear_key), d_soft(soft)
    {
        if (!d_model)
            return;
        srec_estimator* estimator = nullptr;
        srec_error error{};
        require(srec_estimator_create(d_model.get(), &estimator, &error), error);
        d_estimator.reset(estimator);
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
