#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Coded layers through transmitter and receiver: quality at the planned SNR, losses, keys, replays, clear text, both
codings on one link."""
import tempfile

import numpy as np
import pmt
from gnuradio import blocks, gr, gr_unittest, srec
from PIL import Image

from qa_common import HANG, meta_of, pdu, post, wait_for

SPS = 4
SMALL = {"coding": "layers", "layers": [4.0], "cbr": 0.6, "frame_symbols": 6000}


def scene(seed=0, height=192, width=256):
    """Return an image with edges and texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    base = 128 + 60 * np.sin(x / 19 + seed) * np.cos(y / 17) + 40 * ((x // 40 + y // 30) % 2)
    return (base[..., None] * [1, 0.8, 0.6] + rng.normal(0, 4, (height, width, 3))).clip(0, 255).astype(np.uint8)


class qa_layers(gr_unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.paths, self.images = [], [scene(i) for i in range(3)]
        for i, image in enumerate(self.images):
            self.paths.append(f"{self.temp.name}/{i}.png")
            Image.fromarray(image).save(self.paths[-1])

    def tearDown(self):
        self.temp.cleanup()

    def run_link(self, transmitter, receiver, *between, images=1, transmissions=1):
        """Run until the end mark. Return [(array, metadata)], the encoder's reports and the last packet counters."""
        top, sink = gr.top_block(), srec.image_sink()
        source = srec.image_source(self.paths[:images], in_flight=images, transmissions=transmissions)
        debug = {name: blocks.message_debug(False) for name in ("encoder", "packets")}
        top.msg_connect(source, "pdus", transmitter, "pdus")
        top.msg_connect(transmitter, "encoder_info", debug["encoder"], "store")
        top.connect(transmitter, *between, receiver)
        top.msg_connect(receiver, "pdus", sink, "pdus")
        top.msg_connect(receiver, "packet_info", debug["packets"], "store")
        top.start()
        try:
            self.assertTrue(sink.wait(HANG), "no end")
            wait_for(lambda: all(map(self.ended, debug.values())), "the reports of the end")
        finally:
            top.stop()
            top.wait()
        return list(sink.pictures), self.reports(debug["encoder"]), self.reports(debug["packets"])[-1]

    def ended(self, debug):
        return any(report["event"] == "eof" for report in self.reports(debug))

    @staticmethod
    def reports(debug):
        return [meta_of(debug.get_message(i)) for i in range(debug.num_messages())]

    def symbols(self, snr_db=10.0, loss=0.0, images=1, receive=None, transmissions=1, **parameters):
        """Run a link of bare symbols."""
        transmitter = srec.transmitter("seed:1", samples_per_symbol=0, **{**SMALL, **parameters})
        receiver = srec.receiver(**{"key": "seed:1", "samples_per_symbol": 0, "timeout": 1e6, **(receive or {})})
        channel = srec.channel("awgn", snr_db, 7, loss=loss)
        return self.run_link(transmitter, receiver, channel, images=images, transmissions=transmissions)

    def assert_exact(self, image, meta, sent):
        """Assert that the received image is the one that the encoder measured."""
        self.assertAlmostEqual(srec.psnr(sent, image), 20 * np.log10(255 / meta["rms_error"]), delta=0.2)

    def test_bursts_at_qpsk_4_dB_give_the_quality_that_the_encoder_measured(self):
        transmitter = srec.transmitter("seed:1", samples_per_symbol=SPS, tail=2000, **SMALL)
        noise = srec.impairments(noise_power=SPS * 10**-0.4, cfo=0.01, delay=123.4, seed=5)
        ((image, meta),), encoder, packets = self.run_link(transmitter, srec.receiver("seed:1", timeout=1e6), noise)
        self.assertEqual((meta["layers_received"], meta["slices_lost"], meta["reason"]), (1, 0, "complete"))
        self.assertAlmostEqual(meta["snr_db"], 4, delta=0.5)
        self.assert_exact(image, meta, self.images[0])
        self.assertAlmostEqual(meta["rms_error"], encoder[0]["rms_errors"][0], delta=0.04 * meta["rms_error"])
        self.assertEqual(packets["accepted"], encoder[0]["pieces"])
        self.assertLessEqual(encoder[0]["used_symbols"], 0.6 * 3 * 256 * 192)

    def test_each_receiver_gets_the_layers_of_its_snr(self):
        quality = []
        for snr_db, layers in ((0.5, 1), (4.5, 2), (8.5, 3)):
            ((image, meta),), _, packets = self.symbols(snr_db, layers=[0, 4, 8], receive={"model": "none"})
            self.assertEqual((meta["layers_sent"], meta["layers_received"]), (3, layers))
            self.assertEqual(packets["uncorrected"] > 0, layers < 3)
            self.assert_exact(image, meta, self.images[0])
            quality.append(srec.psnr(self.images[0], image))
        self.assertGreater(min(np.diff(quality)), 0.5)

    def test_below_the_lowest_layer_there_is_no_image(self):
        pictures, _, packets = self.symbols(2.0)
        self.assertEqual((pictures, packets["accepted"]), ([], 0))
        self.assertGreater(packets["uncorrected"], 0)

    def test_two_transmissions_add_up_where_one_brings_nothing(self):
        self.assertEqual(self.symbols(2.0)[0], [])
        pictures, encoder, packets = self.symbols(2.0, images=2, transmissions=2)
        n = sum(report["pieces"] for report in encoder if report["event"] == "picture") // 2
        self.assertEqual([meta["picture"] for _, meta in pictures], [0, 2])
        for (image, meta), sent in zip(pictures, self.images):
            self.assertEqual(meta["slices_lost"], 0)
            self.assert_exact(image, meta, sent)
        self.assertEqual((packets["accepted"], packets["combined"], packets["summed"]), (n, n, 2 * n))
        self.assertEqual((packets["uncorrected"], packets["duplicate"], packets["replayed"]), (n, 0, 0))

    def test_repeats_of_received_packets_are_duplicates_and_fill_gaps(self):
        pictures, encoder, packets = self.symbols(10.0, loss=0.1, transmissions=4, cbr=1.5, parity=0)
        self.assertEqual([meta["slices_lost"] for _, meta in pictures], [0])
        self.assertEqual(packets["accepted"], encoder[0]["pieces"])
        self.assertGreater(packets["duplicate"], packets["accepted"])
        self.assertEqual(packets["combined"], 0)

    def test_lost_packets_cost_detail_and_are_counted(self):
        pictures, encoder, packets = self.symbols(loss=0.06, cbr=1.5, parity=2, images=3)
        lost = sum(report.get("pieces", 0) for report in encoder) - packets["accepted"]
        self.assertGreater(lost, 0)
        self.assertEqual(sum(meta["slices_lost"] for _, meta in pictures), lost)
        for image, meta in pictures:
            self.assertGreater(srec.psnr(self.images[meta["picture"]], image), 20)

    def test_another_key_receives_nothing(self):
        pictures, _, packets = self.symbols(receive={"key": "seed:2"})
        self.assertEqual((pictures, packets["accepted"]), ([], 0))
        self.assertGreater(packets["forged"], 0)

    def test_an_eavesdropper_with_the_headers_sees_layers_only_if_they_are_sent_in_clear(self):
        eve = {"payload_key": "seed:2"}
        self.assertEqual(self.symbols(receive=eve)[0], [])
        ((image, meta),), _, _ = self.symbols(receive=eve, encrypt=False)
        self.assertEqual(meta["cipher"], "none")
        self.assert_exact(image, meta, self.images[0])

    def test_a_recording_is_not_accepted_twice(self):
        top, sink = gr.top_block(), blocks.vector_sink_c()
        source = srec.image_source(self.paths[:1])
        transmitter = srec.transmitter("seed:1", samples_per_symbol=0, **SMALL)
        top.msg_connect(source, "pdus", transmitter, "pdus")
        top.connect(transmitter, sink)
        top.start()
        top.wait()
        samples, tags = np.array(sink.data()), sink.tags()
        again = []
        for tag in tags:
            t = gr.tag_t()
            t.offset, t.key, t.value = tag.offset + samples.size, tag.key, tag.value
            again.append(t)
        first = [t for t in tags if pmt.symbol_to_string(t.key) != "srec_eof"]
        receiver, images = srec.receiver("seed:1", samples_per_symbol=0, snr_db=20.0), srec.image_sink()
        top = gr.top_block()
        top.connect(blocks.vector_source_c(np.tile(samples, 2), False, 1, first + again), receiver)
        top.msg_connect(receiver, "pdus", images, "pdus")
        top.start()
        self.assertTrue(images.wait(HANG))
        counters = receiver.packet_decoder.counters()
        top.stop()
        top.wait()
        self.assertEqual(len(images.pictures), 1)
        self.assertEqual((counters["accepted"], counters["replayed"]), (len(first), len(first)))

    def test_a_receiver_without_a_model_counts_features_as_of_a_foreign_model(self):
        pictures, _, packets = self.symbols(coding="features", receive={"model": "none"})
        self.assertEqual((pictures, packets["accepted"]), ([], 0))
        self.assertGreater(packets["foreign_model"], 0)

    def test_images_follow_each_other_in_order(self):
        pictures, _, _ = self.symbols(images=3)
        self.assertEqual([meta["picture"] for _, meta in pictures], [0, 1, 2])
        for image, meta in pictures:
            self.assert_exact(image, meta, self.images[meta["picture"]])

    def test_a_flowgraph_that_starts_again_sends_images_that_are_not_late(self):
        top, sink = gr.top_block(), srec.image_sink()
        source = srec.image_source(self.paths[:1], repeat=True)
        transmitter = srec.transmitter("seed:1", samples_per_symbol=0, **SMALL)
        receiver = srec.receiver("seed:1", samples_per_symbol=0, snr_db=10.0)
        top.msg_connect(source, "pdus", transmitter, "pdus")
        top.msg_connect(transmitter, "info", source, "next")
        top.connect(transmitter, srec.channel("awgn", 10.0, 7), receiver)
        top.msg_connect(receiver, "pdus", sink, "pdus")
        for _ in range(2):  # the second run numbers its images from 0 again, within the same session
            seen = sink.count
            top.start()
            try:
                wait_for(lambda: sink.count >= seen + 2, "two images")
            finally:
                top.stop()
                top.wait()
        self.assertEqual(receiver.layer_decoder.counters()["late"], 0)

    def test_the_receiver_enhances_layers_with_their_own_model(self):
        ((plain, _),), _, _ = self.symbols()
        ((image, meta),), _, _ = self.symbols(receive={"enhancer": "installed"})
        model = srec.enhancer_info(srec.default_enhancer(1, "layers"))["id"]
        self.assertEqual((meta["coding"], meta["enhanced"], meta["enhancer"]), ("layers", True, model))
        self.assertGreater(np.abs(image.astype(int) - plain).max(), 1, "not the same image")
        self.assertGreater(srec.psnr(plain, image), 30, "not another one")

    def test_scale_2_comes_back_at_full_size(self):
        ((image, meta),), _, _ = self.symbols(scale=2, receive={"enhancer": "none"})
        self.assertEqual((image.shape, meta["scale"]), (self.images[0].shape, 2))
        self.assertGreater(srec.psnr(self.images[0], image), 20)

    def test_one_receiver_takes_both_codings_in_turn(self):
        receiver = srec.receiver("seed:1", samples_per_symbol=0, snr_db=12.0)
        sink, top = srec.image_sink(stop_after=2), gr.top_block()
        features = srec.semantic_encoder("", 0.2, "qpsk")
        layers = srec.layer_encoder("qpsk", [4.0], 0.6, bursts=False)
        scrambler, packer, mapper = srec.scrambler("seed:1"), srec.packet_encoder("seed:1"), srec.mapper()
        for encoder in (features, layers):
            top.msg_connect(encoder, "out", scrambler, "in")
        top.msg_connect(scrambler, "out", packer, "in")
        top.msg_connect(packer, "out", mapper, "in")
        top.connect(mapper, srec.channel("awgn", 12.0, 3), receiver)
        top.msg_connect(receiver, "received", sink, "pdus")
        top.start()
        try:
            for number, encoder in enumerate((features, layers)):
                post(encoder, "pdus", pdu({"width": 256, "height": 192, "picture": number}, self.images[0]))
            self.assertTrue(sink.wait(HANG))
        finally:
            top.stop()
            top.wait()
        self.assertEqual({meta.get("coding", "features") for _, meta in sink.pictures}, {"features", "layers"})
        for image, _ in sink.pictures:
            self.assertGreater(srec.psnr(self.images[0], image), 24)

    def test_impossible_parameters_are_refused_with_one_line(self):
        for word, parameters in (
            ("pam256", {"modulation": "pam256"}),
            ("coding", {"coding": "jpeg"}),
            ("ascend", {"layers": [4, 0]}),
            ("shares", {"shares": [1, 2]}),
            ("cbr", {"cbr": 0.0}),
        ):
            with self.assertRaisesRegex(ValueError, word):
                srec.transmitter("seed:1", **{**SMALL, **parameters})

    def test_setters_of_the_other_coding_do_nothing(self):
        transmitter = srec.transmitter("seed:1", samples_per_symbol=0, **SMALL)
        transmitter.set_eta(0.3)
        transmitter.set_cbr(0.5)
        self.assertEqual(transmitter.encoder.cbr(), 0.5)
        srec.transmitter("seed:1", samples_per_symbol=0).set_cbr(0.5)


if __name__ == "__main__":
    gr_unittest.run(qa_layers)
