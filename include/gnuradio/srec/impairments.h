/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_IMPAIRMENTS_H
#define INCLUDED_GNURADIO_SREC_IMPAIRMENTS_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief Applies the impairments of radios and channels to samples.
 *
 * The order is: echo, fading, clock offset, carrier offset and phase noise, gain, noise,
 * IQ imbalance, DC, clipping, quantisation. Random effects are seeded.
 *
 * Streams in and out: complex samples. Only the end mark passes, because the samples
 * move. After the sample of the end mark the block sends 64 samples of silence through,
 * so that no sample remains inside.
 *
 * \param noise_power  noise power of a complex sample after the gain, 0 or 1e-10 .. 1e5.
 *                     For bursts of unit power it is samples per symbol * 10^(-0.1 SNR) *
 *                     10^(0.1 gain_db)
 * \param cfo          carrier offset, cycles per sample, -0.5 .. 0.5
 * \param clock_ppm    clock offset, ppm, -1000 .. 1000: the receiver takes more samples
 *                     per second by this share
 * \param delay        samples of silence before the signal, 0 .. 1e9; fractions are
 *                     allowed
 * \param gain_db      gain, dB, -200 .. 200
 * \param phase_noise  variance of the steps of the phase's random walk, rad^2 per sample,
 *                     0 or 1e-10 .. 10
 * \param doppler      Rayleigh fading: maximum Doppler shift, cycles per sample, 0 ..
 *                     0.001; 0: no fading
 * \param echo_delay   delay of a second ray, samples, 0 .. 4096; 0: no second ray
 * \param echo_db      level of the second ray relative to the first, dB, -60 .. 0
 * \param echo_phase   phase of the second ray, rad
 * \param iq_gain_db   gain of Q relative to I, dB, -60 .. 60
 * \param iq_phase     phase error, rad: Q receives sin(iq_phase) of I
 * \param dc_re        DC offset of I
 * \param dc_im        DC offset of Q
 * \param clip         limit of I and Q; 0: no limit
 * \param bits         resolution of the converter between -1 and 1, bits, 1 .. 16; 0: no
 *                     rounding
 * \param seed         seed of noise, phase noise and fading
 * \throws std::invalid_argument if a parameter is out of range
 * \ingroup srec
 */
class GR_SREC_API impairments : virtual public gr::block
{
public:
    /*! Shared pointer to the block. */
    typedef std::shared_ptr<impairments> sptr;

    /*! Create the block. The class describes the parameters and exceptions. */
    static sptr make(float noise_power = 0.0f,
                     float cfo = 0.0f,
                     float clock_ppm = 0.0f,
                     double delay = 0.0,
                     float gain_db = 0.0f,
                     float phase_noise = 0.0f,
                     float doppler = 0.0f,
                     int echo_delay = 0,
                     float echo_db = 0.0f,
                     float echo_phase = 0.0f,
                     float iq_gain_db = 0.0f,
                     float iq_phase = 0.0f,
                     float dc_re = 0.0f,
                     float dc_im = 0.0f,
                     float clip = 0.0f,
                     int bits = 0,
                     uint64_t seed = 0);
};

} // namespace srec
} // namespace gr

#endif
