/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "guard.h"

#include <atomic>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/channel.h>
#include <random>

namespace gr {
namespace srec {

class channel_impl : public guarded<channel>
{
    handle<srec_channel, srec_channel_free> d_channel;
    const pmt::pmt_t d_tag;
    std::atomic<float> d_snr_db, d_loss; /* work() and the getters read them */
    std::mt19937_64 d_random;            /* of losses: one number per frame */
    bool d_erased = false;

    void check_loss(float loss)
    {
        if (!(loss >= 0.0f && loss <= 1.0f))
            throw std::invalid_argument("loss must be 0 .. 1");
    }

public:
    channel_impl(const std::string& kind,
                 float snr_db,
                 uint64_t seed,
                 int coherence,
                 float loss,
                 const std::string& len_tag_key)
        : gr::sync_block("channel",
                         gr::io_signature::make(1, 1, sizeof(gr_complex)),
                         gr::io_signature::make(1, 2, sizeof(gr_complex))),
          d_tag(pmt::mp(len_tag_key)), d_snr_db(snr_db), d_loss(loss), d_random(seed)
    {
        srec_channel_kind k;
        if (srec_channel_kind_parse(kind.c_str(), &k) != SREC_OK)
            throw std::invalid_argument("unknown channel '" + kind +
                                        "': awgn or rayleigh");
        srec_channel* c = nullptr;
        srec_error error{};
        require(srec_channel_create(
                    k, snr_db, seed, coherence < 1 ? 0 : coherence, &c, &error),
                error);
        d_channel.reset(c);
        check_loss(loss);
        /* work() passes tags on with the symbols but not with the gain, because the two
         * streams meet again in a demapper. */
        set_tag_propagation_policy(TPP_DONT);
    }

    void set_snr_db(float snr_db) override
    {
        gr::thread::scoped_lock lock(d_setlock);
        if (srec_channel_set_snr(d_channel.get(), snr_db) != SREC_OK)
            throw std::invalid_argument("snr_db must be -50 .. 100");
        d_snr_db = snr_db;
    }
    float snr_db() const override { return d_snr_db; }
    void set_loss(float loss) override
    {
        gr::thread::scoped_lock lock(d_setlock);
        check_loss(loss);
        d_loss = loss;
    }
    float loss() const override { return d_loss; }

    int work(int n,
             gr_vector_const_void_star& input_items,
             gr_vector_void_star& output_items) override
    {
        gr::thread::scoped_lock lock(d_setlock);
        const auto* in = static_cast<const gr_complex*>(input_items[0]);
        auto* out = static_cast<gr_complex*>(output_items[0]);
        auto* gain =
            output_items.size() > 1 ? static_cast<float*>(output_items[1]) : nullptr;
        std::vector<tag_t> tags;
        get_tags_in_window(tags, 0, 0, n);
        std::sort(tags.begin(), tags.end(), tag_t::offset_compare);
        int from = 0;
        auto fill = [&](int to) {
            if (d_erased)
                std::fill(out + from, out + to, gr_complex(0, 0));
            else
                std::copy(in + from, in + to, out + from);
            from = to;
        };
        for (const tag_t& tag : tags) {
            add_item_tag(0, tag);
            const bool frame = pmt::eqv(tag.key, d_tag);
            if (!frame && !pmt::eqv(tag.key, pmt::mp(key::srec_eof)))
                continue;
            fill((int)(tag.offset - nitems_read(0)));
            d_erased =
                frame && std::uniform_real_distribution<float>(0, 1)(d_random) < d_loss;
        }
        fill(n);
        srec_channel_apply(d_channel.get(),
                           reinterpret_cast<float*>(out),
                           reinterpret_cast<float*>(out),
                           gain,
                           n);
        return n;
    }
};

channel::sptr channel::make(const std::string& kind,
                            float snr_db,
                            uint64_t seed,
                            int coherence,
                            float loss,
                            const std::string& len_tag_key)
{
    return gnuradio::make_block_sptr<channel_impl>(
        kind, snr_db, seed, coherence, loss, len_tag_key);
}

} // namespace srec
} // namespace gr
