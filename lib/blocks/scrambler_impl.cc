/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "layer_pdu.h"
#include "pdu_block.h"

#include <atomic>
#include <deque>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/scrambler.h>

namespace gr {
namespace srec {

class scrambler_impl : public pdu_block<scrambler>
{
    const shared_key d_key; /* kept so that a pipe is read once */
    uint64_t d_session, d_packet = 0;
    handle<srec_scrambler, srec_scrambler_free> d_scrambler;
    std::atomic<bool> d_encrypt;
    static constexpr int AUTO = -1;
    std::atomic<int> d_cipher; /* srec_cipher, or AUTO */
    /* The first transmission of a piece. */
    struct origin {
        uint64_t picture;
        uint64_t layer;
        uint64_t piece;
        srec_cipher cipher;
        uint64_t packet;
        uint8_t repeats; /* modulo 256, as redundancy versions are */
        bool is_of(const origin& o) const
        {
            return picture == o.picture && layer == o.layer && piece == o.piece &&
                   cipher == o.cipher;
        }
    };
    std::deque<origin> d_origins; /* those that may be repeated, oldest first */

    void handle_pdu(const pmt::pmt_t& msg) override
    {
        if (!is_u8_pdu(msg))
            return drop("not a PDU (dict . u8vector)");
        if (is_piece(msg))
            return number_piece(msg);
        std::vector<uint8_t> bytes = pmt::u8vector_elements(pmt::cdr(msg));
        const int chosen = d_cipher;
        const srec_cipher cipher =
            !d_encrypt       ? SREC_CIPHER_NONE
            : chosen == AUTO ? srec_cipher_for((srec_feature_format)get_u64(
                                   pmt::car(msg), key::format, SREC_FEATURES_BITS))
                             : (srec_cipher)chosen;
        if (bytes.size() > SREC_PAYLOAD_MAX)
            return drop("more than " + std::to_string(SREC_PAYLOAD_MAX) + " bytes");
        const srec_status status = srec_scrambler_scramble(d_scrambler.get(),
                                                           d_packet,
                                                           cipher,
                                                           bytes.data(),
                                                           bytes.data(),
                                                           bytes.size());
        if (status != SREC_OK)
            return drop(srec_strerror(status));
        send(numbered(pmt::car(msg), cipher), pmt::init_u8vector(bytes.size(), bytes));
    }

    pmt::pmt_t numbered(const pmt::pmt_t& slice, srec_cipher cipher)
    {
        pmt::pmt_t meta = put_u64(slice, key::session, d_session);
        meta = put_u64(meta, key::packet, d_packet++);
        return put(meta, key::cipher, pmt::mp(srec_cipher_name(cipher)));
    }

    /* Both codings share one sequence of packet numbers. The packet encoder encrypts the
     * piece, because the tag covers its header too. */
    void number_piece(const pmt::pmt_t& msg)
    {
        const srec_cipher cipher = d_encrypt ? SREC_CIPHER_ADD : SREC_CIPHER_NONE;
        const origin o = origin_of(pmt::car(msg), cipher);
        pmt::pmt_t meta = put_u64(pmt::car(msg), key::origin, o.packet);
        meta = put_u64(meta, key::redundancy_version, o.repeats);
        send(numbered(meta, cipher), pmt::cdr(msg));
    }

    /* The origin of the next packet: of a repeat the first transmission, if that is not too
     * old, else the packet itself. */
    origin origin_of(const pmt::pmt_t& piece, srec_cipher cipher)
    {
        while (!d_origins.empty() &&
               d_packet - d_origins.front().packet > SREC_LAYER_ORIGIN_AGE_MAX)
            d_origins.pop_front();
        const uint64_t picture = get_u64(piece, key::picture);
        const origin first{ get_u64(piece, key::first_picture, picture),
                            get_u64(piece, key::layer),
                            get_u64(piece, key::piece),
                            cipher,
                            d_packet,
                            0 };
        if (has_number(piece, key::first_picture)) {
            /* Image numbers may begin again: the latest one counts. */
            const auto found =
                std::find_if(d_origins.rbegin(), d_origins.rend(), [&](const origin& o) {
                    return o.is_of(first);
                });
            if (found != d_origins.rend()) {
                found->repeats++;
                return *found;
            }
        }
        d_origins.push_back(first);
        return first;
    }

public:
    scrambler_impl(const shared_key& key,
                   bool encrypt,
                   uint64_t session,
                   const std::string& cipher)
        : gr::block("scrambler",
                    gr::io_signature::make(0, 0, 0),
                    gr::io_signature::make(0, 0, 0)),
          pdu_block({ "in", "out" }, "slice"), d_key(key), d_session(session),
          d_encrypt(encrypt)
    {
        set_cipher(cipher);
        srec_error error{};
        if (!d_session)
            require(srec_session_generate(&d_session), error);
        srec_scrambler* s = nullptr;
        require(srec_scrambler_create(d_key.get(), d_session, &s, &error), error);
        d_scrambler.reset(s);
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
