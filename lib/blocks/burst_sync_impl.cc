/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "guard.h"

#include <algorithm>
#include <gnuradio/io_signature.h>
#include <gnuradio/srec/burst_sync.h>
#include <mutex>
#include <optional>

namespace gr {
namespace srec {

class burst_sync_impl : public guarded<burst_sync>
{
    static constexpr uint64_t JUDGE_EVERY = 65536; /* samples */
    struct frame {
        std::vector<gr_complex> symbols, gains;
        float n0;
        pmt::pmt_t figures; /* SNR, offsets, level */
        bool eof;
    };
    const pmt::pmt_t d_tag, d_info = pmt::mp("info");
    handle<srec_sync, srec_sync_free> d_sync;
    /* Waiting to be sent: at most the content of one call's samples. */
    std::deque<frame> d_frames;
    size_t d_sent = 0; /* symbols of the first frame already sent */
    bool d_ended = false;
    /* The key of the accepted headers. Without it all are accepted. */
    const std::optional<shared_key> d_key;
    const srec_modulation d_modulation;
    /* Samples at the last judgement, bursts rejected at the last report. */
    uint64_t d_judged = 0, d_rejected = 0;
    mutable std::mutex d_mutex; /* of the following, which other threads read */
    std::map<std::string, uint64_t> d_counters;
    std::map<std::string, std::string> d_findings;

    static bool authentic(void* self, const float* soft, size_t n_bytes)
    {
        const auto* block = static_cast<const burst_sync_impl*>(self);
        srec_signal signal;
        return srec_packet_authenticate(
                   block->d_key->get(), block->d_modulation, soft, n_bytes, &signal) ==
               SREC_OK;
    }

    static void handler(void* self, const srec_burst* b)
    {
        static_cast<burst_sync_impl*>(self)->take(b);
    }

    void take(const srec_burst* b)
    {
        const auto* iq = reinterpret_cast<const gr_complex*>(b->iq);
        const auto* gain = reinterpret_cast<const gr_complex*>(b->gain_iq);
        const pmt::pmt_t figures = figures_of(*b, pmt::make_dict());
        d_frames.push_back({ { iq, iq + b->n_symbols },
                             { gain, gain + b->n_symbols },
                             b->n0,
                             figures,
                             false });
        pmt::pmt_t info =
            figures_of(*b, put(counters_dict(), key::event, pmt::mp("burst")));
        message_port_pub(d_info, put_u64(info, key::n_symbols, b->n_symbols));
    }

    static pmt::pmt_t figures_of(const srec_burst& b, pmt::pmt_t d)
    {
        d = put_real(d, key::snr_db, b.snr_db);
        d = put_real(d, key::cfo, b.cfo);
        d = put_real(d, key::drift, b.drift);
        d = put_real(d, key::clock_ppm, b.clock_ppm);
        d = put_real(d, key::level_db, b.level_db);
        if (b.inverted)
            d = put(d, key::inverted, pmt::PMT_T);
        return put_real(d, key::sample, b.sample);
    }

    std::map<std::string, uint64_t> count() const
    {
        srec_sync_counters c;
        srec_sync_get_counters(d_sync.get(), &c);
        return { { key::candidates, c.candidates },   { key::preambles, c.preambles },
                 { key::bursts, c.bursts },           { key::unreadable, c.unreadable },
                 { key::unsupported, c.unsupported }, { key::foreign, c.foreign },
                 { key::truncated, c.truncated },     { key::skipped, c.skipped },
                 { key::inverted, c.inverted } };
    }

    pmt::pmt_t counters_dict() const
    {
        pmt::pmt_t d = pmt::make_dict();
        for (const auto& [key, value] : count())
            d = put_u64(d, key.c_str(), value);
        return d;
    }

    /* Each kind of finding is logged once. */
    void judge(bool ended)
    {
        srec_finding found[SREC_FINDINGS];
        const size_t n = srec_sync_findings(d_sync.get(), ended, found);
        for (size_t i = 0; i < n; i++) {
            const std::string kind = srec_finding_name(found[i].kind),
                              text = found[i].text;
            bool fresh;
            {
                std::lock_guard<std::mutex> lock(d_mutex);
                fresh = d_findings.insert_or_assign(kind, text).second;
            }
            if (!fresh)
                continue;
            d_logger->warn("{:s}", text);
            message_port_pub(d_info,
                             put(put(put(counters_dict(), key::event, pmt::mp("finding")),
                                     key::kind,
                                     pmt::mp(kind)),
                                 key::text,
                                 pmt::mp(text)));
        }
    }

    /* After a push: updates what other threads may read, and informs the listeners of
     * `info`. */
    void report(bool ended)
    {
        srec_sync_counters c;
        srec_sync_get_counters(d_sync.get(), &c);
        {
            std::lock_guard<std::mutex> lock(d_mutex);
            d_counters = count();
        }
        if (const uint64_t rejected = c.unreadable + c.unsupported + c.foreign;
            rejected != d_rejected) {
            d_rejected = rejected;
            message_port_pub(d_info,
                             put(counters_dict(), key::event, pmt::mp("rejected")));
        }
        if (ended || c.samples >= d_judged + JUDGE_EVERY) {
            d_judged = c.samples;
            judge(ended);
        }
    }

    void push(const gr_complex* in, size_t n)
    {
        require(srec_sync_push(d_sync.get(), reinterpret_cast<const float*>(in), n), {});
        report(false);
    }

public:
    burst_sync_impl(const std::string& modulation,
                    int samples_per_symbol,
                    float rolloff,
                    const std::string& len_tag_key,
                    const std::optional<shared_key>& key)
        : gr::block("burst_sync",
                    gr::io_signature::make(1, 1, sizeof(gr_complex)),
                    gr::io_signature::make(1, 2, sizeof(gr_complex))),
          d_tag(pmt::mp(len_tag_key)), d_key(key),
          d_modulation(modulation_from(modulation))
    {
        const srec_waveform w = waveform_from(samples_per_symbol, rolloff);
        srec_sync* s = nullptr;
        srec_error error{};
        require(srec_sync_create(&w, d_modulation, handler, this, &s, &error), error);
        d_sync.reset(s);
        if (d_key)
            srec_sync_set_check(s, authentic, this);
        d_counters = count();
        message_port_register_out(d_info);
        set_tag_propagation_policy(TPP_DONT);
    }
    uint64_t bursts() const override { return counters()[key::bursts]; }
    std::map<std::string, uint64_t> counters() const override
    {
        std::lock_guard<std::mutex> lock(d_mutex);
        return d_counters;
    }
    std::map<std::string, std::string> findings() const override
    {
        std::lock_guard<std::mutex> lock(d_mutex);
        return d_findings;
    }

    void forecast(int, gr_vector_int& required) override
    {
        required[0] = d_frames.empty() ? 1 : 0;
    }

    int work_items(int noutput_items,
                   gr_vector_int& ninput_items,
                   gr_vector_const_void_star& input_items,
                   gr_vector_void_star& output_items) override
    {
        if (d_frames.empty()) {
            if (d_ended)
                return WORK_DONE;
            const auto* in = static_cast<const gr_complex*>(input_items[0]);
            const size_t n = ninput_items[0];
            std::vector<tag_t> tags;
            get_tags_in_window(tags, 0, 0, n, pmt::mp(key::srec_eof));
            if (tags.empty())
                push(in, n);
            else {
                push(in, tags[0].offset - nitems_read(0));
                require(srec_sync_flush(d_sync.get()), {});
                report(true);
                message_port_pub(d_info,
                                 put(counters_dict(), key::event, pmt::mp("eof")));
                d_frames.push_back({ { gr_complex(0, 0) },
                                     { gr_complex(0, 0) },
                                     1.0f,
                                     pmt::PMT_NIL,
                                     true });
                d_ended = true;
            }
            consume(0, n);
            if (d_frames.empty())
                return 0;
        }
        const frame& f = d_frames.front();
        if (d_sent == 0) {
            /* on the first port only: the demapper passes the tags of both ports on */
            if (f.eof)
                add_item_tag(0, nitems_written(0), pmt::mp(key::srec_eof), pmt::PMT_T);
            else {
                add_item_tag(
                    0, nitems_written(0), d_tag, pmt::from_long(f.symbols.size()));
                add_item_tag(
                    0, nitems_written(0), pmt::mp(key::n0), pmt::from_double(f.n0));
                add_item_tag(0, nitems_written(0), pmt::mp(key::burst), f.figures);
            }
        }
        const size_t part = std::min<size_t>(noutput_items, f.symbols.size() - d_sent);
        std::copy_n(
            f.symbols.begin() + d_sent, part, static_cast<gr_complex*>(output_items[0]));
        if (output_items.size() > 1)
            std::copy_n(f.gains.begin() + d_sent,
                        part,
                        static_cast<gr_complex*>(output_items[1]));
        d_sent += part;
        if (d_sent == f.symbols.size()) {
            d_frames.pop_front();
            d_sent = 0;
        }
        return part;
    }
};

burst_sync::sptr burst_sync::make(const std::string& modulation,
                                  int samples_per_symbol,
                                  float rolloff,
                                  const std::string& len_tag_key,
                                  const std::optional<shared_key>& key)
{
    return gnuradio::make_block_sptr<burst_sync_impl>(
        modulation, samples_per_symbol, rolloff, len_tag_key, key);
}

} // namespace srec
} // namespace gr
