/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "guard.h"

#include <atomic>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/scrambler.h>

namespace gr {
namespace srec {

class scrambler_impl : public guarded<scrambler>
{
    const pmt::pmt_t d_in = pmt::mp("in"), d_out = pmt::mp("out"),
                     d_info = pmt::mp("info");
    const shared_key d_key; /* kept so that a pipe is read once */
    uint64_t d_session, d_packet = 0, d_dropped = 0;
    handle<srec_scrambler, srec_scrambler_free> d_scrambler;
    std::atomic<bool> d_encrypt;
    static constexpr int AUTO = -1;
    std::atomic<int> d_cipher; /* srec_cipher, or AUTO */
    once d_once;

    void drop(const std::string& why)
    {
        d_dropped++;
        if (d_once(why))
            d_logger->warn("dropped a message that is no slice: {:s} (said once)", why);
        message_port_pub(d_info, put_u64(pmt::make_dict(), "dropped", d_dropped));
    }

    void handle_slice(const pmt::pmt_t& msg)
    {
        if (is_eof(msg))
            return message_port_pub(d_out, msg);
        if (!pmt::is_pdu(msg) || !pmt::is_u8vector(pmt::cdr(msg)) ||
            !pmt::is_dict(pmt::car(msg)))
            return drop("not a PDU (dict . u8vector)");
        std::vector<uint8_t> bytes = pmt::u8vector_elements(pmt::cdr(msg));
        const int chosen = d_cipher;
        const srec_cipher cipher = !d_encrypt ? SREC_CIPHER_NONE
                                   : chosen == AUTO
                                       ? srec_cipher_for((srec_feature_format)get_u64(
                                             pmt::car(msg), "format", SREC_FEATURES_BITS))
                                       : (srec_cipher)chosen;
        if (srec_scrambler_scramble(d_scrambler.get(),
                                    d_packet,
                                    cipher,
                                    bytes.data(),
                                    bytes.data(),
                                    bytes.size()) != SREC_OK)
            return drop("more than " + std::to_string(SREC_PAYLOAD_MAX) + " bytes");
        pmt::pmt_t meta = put_u64(pmt::car(msg), "session", d_session);
        meta = put_u64(meta, "packet", d_packet++);
        meta = put(meta, "cipher", pmt::mp(srec_cipher_name(cipher)));
        message_port_pub(d_out, pmt::cons(meta, pmt::init_u8vector(bytes.size(), bytes)));
    }

public:
    scrambler_impl(const shared_key& key,
                   bool encrypt,
                   uint64_t session,
                   const std::string& cipher)
        : gr::block("scrambler",
                    gr::io_signature::make(0, 0, 0),
                    gr::io_signature::make(0, 0, 0)),
          d_key(key), d_session(session), d_encrypt(encrypt)
    {
        set_cipher(cipher);
        srec_error error{};
        if (!d_session)
            require(srec_session_generate(&d_session), error);
        srec_scrambler* s = nullptr;
        require(srec_scrambler_create(d_key.get(), d_session, &s, &error), error);
        d_scrambler.reset(s);
        message_port_register_in(d_in);
        message_port_register_out(d_out);
        message_port_register_out(d_info);
        set_msg_handler(d_in, [this](const pmt::pmt_t& msg) { handle_slice(msg); });
    }
    void set_encrypt(bool encrypt) override { d_encrypt = encrypt; }
    bool encrypt() const override { return d_encrypt; }
    void set_cipher(const std::string& name) override
    {
        srec_cipher cipher;
        if (name == "auto")
            d_cipher = AUTO;
        else if (srec_cipher_parse(name.c_str(), &cipher) == SREC_OK &&
                 cipher != SREC_CIPHER_NONE)
            d_cipher = cipher;
        else
            throw std::invalid_argument("cipher must be auto, add or xor, not " + name);
    }
    std::string cipher() const override
    {
        const int cipher = d_cipher;
        return cipher == AUTO ? "auto" : srec_cipher_name((srec_cipher)cipher);
    }
    uint64_t session() const override { return d_session; }
};

scrambler::sptr scrambler::make(const shared_key& key,
                                bool encrypt,
                                uint64_t session,
                                const std::string& cipher)
{
    return gnuradio::make_block_sptr<scrambler_impl>(key, encrypt, session, cipher);
}

} // namespace srec
} // namespace gr
