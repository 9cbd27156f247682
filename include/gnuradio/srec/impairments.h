/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INCLUDED_GNURADIO_SREC_IMPAIRMENTS_H
#define INCLUDED_GNURADIO_SREC_IMPAIRMENTS_H

#include <gnuradio/block.h>
#include <gnuradio/srec/api.h>
#include <string>

namespace gr {
namespace srec {

/*!
 * \brief What radios and the air do to samples, seeded: echo, fading, clock, delay,
 * carrier, phase noise, gain, noise, IQ imbalance, DC, clipping, quantisation.
 *
 * Stream in, stream out: samples. Tags but the end mark are not passed on, since
 * samples move. After the end mark's sample 64 samples of silence are
 * sent through, so that nothing stays behind.
 *
 * \param noise_power of a complex sample, after the gain: samples per symbol * 10^(-0.1
 * * SNR) * gain for bursts of unit power
 * \param cfo         carrier offset, cycles per sample, -0.5 .. 0.5
 * \param clock_ppm   the receiver's samples are so much closer together, -1000 .. 1000
 * \param delay       samples, 0 .. 1e9; silence comes first
 * \param gain_db     -200 .. 200
 * \param phase_noise variance of the phase's random walk, rad^2 per sample
 * \param doppler     Rayleigh fading: greatest Doppler shift, cycles per sample, 0 ..
 * 0.001; 0 = none
 * \param echo_delay, echo_db, echo_phase  second ray: samples (0 = none), level, rad
 * \param iq_gain_db, iq_phase, dc_re, dc_im  of the receiver's front end
 * \param clip        limit of I and Q, 0 = none
 * \param bits        of the converter over +-1, 0 = as many as there are
 * \param seed        of noise, phase noise and fading
 * \ingroup srec
 */
class GR_SREC_API impairments : virtual public gr::block
{
public:
    typedef std::shared_ptr<impairments> sptr;
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
