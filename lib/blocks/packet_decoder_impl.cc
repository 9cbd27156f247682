/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "damage.h"
#include "pdu_block.h"

#include <gnuradio/io_signature.h>
#include <gnuradio/srec/packet_decoder.h>
#include <mutex>

namespace gr {
namespace srec {

class packet_decoder_impl : public pdu_block<packet_decoder>
{
    const pmt::pmt_t d_tag;
    const shared_key d_key; /* outlives the decoder, like the model */
    std::shared_ptr<const srec_model> d_model;
    const srec_modulation d_modulation;
    const size_t d_per_byte;
    handle<srec_packet_decoder, srec_packet_decoder_free> d_decoder;
    /* Of d_decoder: other threads read its counters and export and import its marks. */
    mutable std::mutex d_mutex;
    std::vector<float> d_frame; /* soft values since the frame's tag */
    /* Soft values of the frame, or first of its signal field; 0: between frames. */
    size_t d_want = 0;
    pmt::pmt_t d_burst = pmt::PMT_NIL; /* metadata of the frame from burst_sync */
    bool d_signal_read = false;
    std::atomic<uint64_t> d_truncated{ 0 };
    tag_watch d_watch{ d_tag };

    pmt::pmt_t with_counters(const pmt::pmt_t& info) const override
    {
        pmt::pmt_t counted = info;
        for (const auto& [key, value] : counters())
            counted = put_u64(counted, key.c_str(), value);
        return counted;
    }

    srec_packet_counters core_counters() const
    {
        srec_packet_counters c;
        std::lock_guard<std::mutex> lock(d_mutex);
        srec_packet_decoder_get_counters(d_decoder.get(), &c);
        return c;
    }

    void begin()
    {
        if (d_want) {
            d_truncated++;
            report("truncated");
        }
        d_frame.clear();
        d_signal_read = false;
        d_want = srec_packet_signal_bytes(d_modulation) * d_per_byte;
    }

    static const char* hint(srec_status status)
    {
        switch (status) {
        case SREC_ERR_AUTH:
            return ": is it the right key?";
        case SREC_ERR_MODEL:
            return ": both ends need the same model file";
        case SREC_ERR_CHECKSUM:
            return ": are modulation and samples per symbol those of the sender, and is "
                   "the SNR high enough?";
        default:
            return "";
        }
    }

    void dropped(srec_status status)
    {
        d_want = 0;
        const char* why = srec_strerror(status);
        if (is_new(why))
            d_logger->info("packet dropped: {:s}{:s} (said once; the info port counts)",
                           why,
                           hint(status));
        report(why);
    }

    /* d_frame holds d_want values. First the signal field gives the length of the frame;
     * then the whole frame is decoded. */
    void complete()
    {
        if (!d_signal_read) {
            srec_signal signal;
            std::unique_lock<std::mutex> lock(d_mutex);
            srec_status status = srec_packet_read_signal(
                d_decoder.get(), d_modulation, d_frame.data(), &signal);
            lock.unlock();
            if (status != SREC_OK)
                return dropped(status);
            d_signal_read = true;
            d_want = signal.frame_bytes * d_per_byte;
            return;
        }
        srec_packet packet;
        std::unique_lock<std::mutex> lock(d_mutex);
        srec_status status = srec_packet_decode(
            d_decoder.get(), d_modulation, d_frame.data(), d_want / d_per_byte, &packet);
        lock.unlock();
        if (status != SREC_OK)
            return dropped(status);
        d_want = 0;
        pmt::pmt_t meta = slice_to_dict(packet.slice);
        meta = put_u64(meta, "session", packet.signal.session);
        meta = put_u64(meta, "packet", packet.signal.packet);
        meta = put(meta, "cipher", pmt::mp(srec_cipher_name(packet.signal.cipher)));
        meta = put(meta, "modulation", pmt::mp(srec_modulation_name(d_modulation)));
        meta = put_damage(meta, packet.damage);
        if (pmt::is_dict(d_burst) && !pmt::is_null(d_burst))
            meta = put(meta, "burst", d_burst);
        send(meta,
             pmt::init_f32vector(packet.signal.payload_bytes * d_per_byte, packet.soft));
    }

public:
    packet_decoder_impl(const shared_key& key,
                        const std::string& model,
                        const std::string& modulation,
                        const std::string& len_tag_key)
        : gr::sync_block("packet_decoder",
                         gr::io_signature::make(1, 1, sizeof(float)),
                         gr::io_signature::make(0, 0, 0)),
          pdu_block({ nullptr, "out" }, "packet"), d_tag(pmt::mp(len_tag_key)),
          d_key(key), d_model(model_from(model)),
          d_modulation(modulation_from(modulation)),
          d_per_byte(srec_modem_soft_per_byte(d_modulation))
    {
        srec_packet_decoder* d = nullptr;
        srec_error error{};
        require(srec_packet_decoder_create(d_key.get(), d_model.get(), &d, &error),
                error);
        d_decoder.reset(d);
    }

    std::map<std::string, uint64_t> counters() const override
    {
        const srec_packet_counters c = core_counters();
        return { { "accepted", c.accepted },
                 { "damaged", c.damaged },
                 { "forged", c.forged },
                 { "replayed", c.replayed },
                 { "foreign_model", c.foreign_model },
                 { "unsupported", c.unsupported },
                 { "truncated", d_truncated } };
    }
    std::string export_marks() const override
    {
        std::lock_guard<std::mutex> lock(d_mutex);
        std::string marks(srec_packet_decoder_marks_size(d_decoder.get()), '\0');
        size_t n = 0;
        const srec_status status = srec_packet_decoder_export_marks(
            d_decoder.get(), reinterpret_cast<uint8_t*>(&marks[0]), marks.size(), &n);
        if (status != SREC_OK)
            throw std::runtime_error(srec_strerror(status));
        return marks;
    }
    void import_marks(const std::string& marks) override
    {
        std::lock_guard<std::mutex> lock(d_mutex);
        srec_error error{};
        require(srec_packet_decoder_import_marks(
                    d_decoder.get(),
                    reinterpret_cast<const uint8_t*>(marks.data()),
                    marks.size(),
                    &error),
                error);
    }
    uint64_t accepted() const override { return core_counters().accepted; }
    uint64_t dropped() const override
    {
        const srec_packet_counters c = core_counters();
        return c.damaged + c.forged + c.replayed + c.foreign_model + c.unsupported +
               d_truncated;
    }

    int work(int n, gr_vector_const_void_star& input_items, gr_vector_void_star&) override
    {
        const auto* in = static_cast<const float*>(input_items[0]);
        std::vector<tag_t> tags;
        get_tags_in_window(tags, 0, 0, n);
        std::sort(tags.begin(), tags.end(), tag_t::offset_compare);
        if (!d_watch.done())
            d_watch(d_logger, tags, n);
        size_t at = 0, next = 0;
        while (at < (size_t)n || next < tags.size()) {
            const size_t stop =
                next < tags.size() ? tags[next].offset - nitems_read(0) : n;
            while (d_want && at < stop) {
                const size_t part = std::min(stop - at, d_want - d_frame.size());
                d_frame.insert(d_frame.end(), in + at, in + at + part);
                at += part;
                if (d_frame.size() == d_want)
                    complete();
            }
            at = stop;
            if (next == tags.size())
                break;
            const tag_t& tag = tags[next++];
            if (pmt::eqv(tag.key, d_tag)) {
                begin();
                const auto burst =
                    std::find_if(tags.begin(), tags.end(), [&](const tag_t& t) {
                        return t.offset == tag.offset &&
                               pmt::eqv(t.key, pmt::mp("burst"));
                    });
                d_burst = burst == tags.end() ? pmt::PMT_NIL : burst->value;
            } else if (pmt::eqv(tag.key, pmt::mp("srec_eof"))) {
                if (d_want)
                    begin(); /* counts the unfinished frame */
                d_want = 0;
                forward_end();
            }
        }
        return n;
    }
};

packet_decoder::sptr packet_decoder::make(const shared_key& key,
                                          const std::string& model,
                                          const std::string& modulation,
                                          const std::string& len_tag_key)
{
    return gnuradio::make_block_sptr<packet_decoder_impl>(
        key, model, modulation, len_tag_key);
}

} // namespace srec
} // namespace gr
