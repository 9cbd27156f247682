/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "damage.h"
#include "layer_pdu.h"
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
    handle<srec_layer_packet_decoder, srec_layer_packet_decoder_free> d_layers;
    /* Of d_decoder: other threads read its counters and export and import its marks. */
    mutable std::mutex d_mutex;
    std::vector<float> d_frame; /* soft values since the frame's tag */
    /* Soft values of the frame, or first of its signal field; 0: between frames. */
    size_t d_want = 0;
    pmt::pmt_t d_burst = pmt::PMT_NIL; /* metadata of the frame from burst_sync */
    srec_signal d_signal{};
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

    void dropped(srec_status status) { dropped(srec_strerror(status), hint(status)); }

    void dropped(const char* why, const char* advice)
    {
        d_want = 0;
        if (is_new(why))
            d_logger->info(
                "packet dropped: {:s}{:s} (reported once; the info port counts)",
                why,
                advice);
        report(why);
    }

    /* d_frame holds d_want values. First the signal field gives the length of the frame;
     * then the whole frame is decoded. */
    void complete()
    {
        if (!d_signal_read) {
            std::unique_lock<std::mutex> lock(d_mutex);
            srec_status status = srec_packet_read_signal(
                d_decoder.get(), d_modulation, d_frame.data(), &d_signal);
            lock.unlock();
            if (status != SREC_OK)
                return dropped(status);
            d_signal_read = true;
            d_want = d_signal.frame_bytes * d_per_byte;
            return;
        }
        /* pam256 carries no layers: then the decoder of slices counts the packet. */
        if (d_signal.type == SREC_PAYLOAD_LAYERS && d_modulation != SREC_PAM256)
            decode_piece();
        else
            decode_slice();
    }

    void decode_slice()
    {
        srec_packet packet;
        std::unique_lock<std::mutex> lock(d_mutex);
        srec_status status = srec_packet_decode(
            d_decoder.get(), d_modulation, d_frame.data(), d_want / d_per_byte, &packet);
        lock.unlock();
        if (status != SREC_OK)
            return dropped(status);
        d_want = 0;
        send(with_signal(put_damage(slice_to_dict(packet.slice), packet.damage),
                         packet.signal),
             pmt::init_f32vector(packet.signal.payload_bytes * d_per_byte, packet.soft));
    }

    void decode_piece()
    {
        srec_layer_packet packet;
        srec_packet_counters before, after; /* one status has several causes */
        std::unique_lock<std::mutex> lock(d_mutex);
        srec_packet_decoder_get_counters(d_decoder.get(), &before);
        srec_status status = srec_layer_packet_decode(
            d_layers.get(), d_modulation, d_frame.data(), d_want / d_per_byte, &packet);
        srec_packet_decoder_get_counters(d_decoder.get(), &after);
        lock.unlock();
        if (after.uncorrected > before.uncorrected)
            return dropped(key::uncorrected, ": the SNR is below that of the layer");
        if (after.bad_tag > before.bad_tag)
            return dropped("bad tag", ": the payload is not the one that was sent");
        if (after.duplicate > before.duplicate)
            return dropped(key::duplicate, ": the payload arrived before");
        if (status != SREC_OK)
            return dropped(status);
        d_want = 0;
        const pmt::pmt_t pdu = piece_to_pdu(packet);
        pmt::pmt_t meta = put_u64(pmt::car(pdu), key::origin, packet.origin);
        meta = put_u64(meta, key::redundancy_version, packet.redundancy_version);
        send(with_signal(meta, packet.signal), pmt::cdr(pdu));
    }

    pmt::pmt_t with_signal(pmt::pmt_t meta, const srec_signal& signal) const
    {
        meta = put_u64(meta, key::session, signal.session);
        meta = put_u64(meta, key::packet, signal.packet);
        meta = put(meta, key::cipher, pmt::mp(srec_cipher_name(signal.cipher)));
        meta = put(meta, key::modulation, pmt::mp(srec_modulation_name(d_modulation)));
        return pmt::is_dict(d_burst) && !pmt::is_null(d_burst)
                   ? put(meta, key::burst, d_burst)
                   : meta;
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
          d_key(key), d_model(model == "none" ? nullptr : model_from(model)),
          d_modulation(modulation_from(modulation)),
          d_per_byte(srec_modem_soft_per_byte(d_modulation))
    {
        srec_packet_decoder* d = nullptr;
        srec_error error{};
        require(srec_packet_decoder_create(d_key.get(), d_model.get(), &d, &error),
                error);
        d_decoder.reset(d);
        srec_layer_packet_decoder* layers = nullptr;
        require(srec_layer_packet_decoder_create(d, 0, &layers, &error), error);
        d_layers.reset(layers);
    }

    std::map<std::string, uint64_t> counters() const override
    {
        const srec_packet_counters c = core_counters();
        return { { key::accepted, c.accepted },
                 { key::damaged, c.damaged },
                 { key::forged, c.forged },
                 { key::replayed, c.replayed },
                 { key::foreign_model, c.foreign_model },
                 { key::unsupported, c.unsupported },
                 { key::uncorrected, c.uncorrected },
                 { key::bad_tag, c.bad_tag },
                 { key::duplicate, c.duplicate },
                 { key::combined, c.combined },
                 { key::summed, c.summed },
                 { key::truncated, d_truncated } };
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
               c.uncorrected + c.bad_tag + c.duplicate + d_truncated;
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
                               pmt::eqv(t.key, pmt::mp(key::burst));
                    });
                d_burst = burst == tags.end() ? pmt::PMT_NIL : burst->value;
            } else if (pmt::eqv(tag.key, pmt::mp(key::srec_eof))) {
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
