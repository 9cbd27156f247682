/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  A SoapySDR driver for tests, `driver=srecloop,ring=FILE,port=NAME`: what one process transmits another receives
 * through a ring in a file that both map, over a channel that knows gain, frequency and noise. Samples go at the
 * pace
 * of the rate, and no faster than the receiver takes them.
 *
 *  Received: sqrt(10^((tx gain + rx gain - loss) / 10)) * sent, turned by the difference of the frequencies, plus
 *  noise
 * of -60 dBFS + rx gain; limited to full scale as a converter does. Nothing of the sent comes through if the
 * receiver
 * is tuned further away than half the rate. */
#include <SoapySDR/Device.hpp>
#include <SoapySDR/Formats.hpp>
#include <SoapySDR/Logger.hpp>
#include <SoapySDR/Registry.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <complex>
#include <cstring>
#include <fcntl.h>
#include <random>
#include <stdexcept>
#include <string>
#include <sys/file.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace
{

using sample = std::complex<float>;
constexpr size_t RING = 1 << 18; /* samples: a quarter of a second at 1 MHz */
constexpr double LOSS_DB = 40, NOISE_DBFS = -60, RATE_MIN = 1e5, RATE_MAX = 4e6, FREQUENCY_MIN = 1e8,
                 FREQUENCY_MAX = 6e9, GAIN_MAX = 60;
constexpr double CFO_HZ = 1500; /* of the transmitter's oscillator against the receiver's */

struct shared_ring {
    std::atomic<uint64_t> written, read;
    std::atomic<double> rate, frequency, gain_db; /* the transmitter's */
    sample samples[RING];
};

class loopback : public SoapySDR::Device
{
    using clock = std::chrono::steady_clock;
    struct side {
        double rate = 1e6, frequency = 1e9, gain_db = 20, bandwidth = 1e6;
        std::string antenna;
    } d_side[2];
    shared_ring *d_ring = nullptr;
    std::string d_path;
    int d_claim = -1;
    bool d_mute;          /* argument mute=1: a radio out of order, which receives not even noise */
    uint64_t d_begun = 0; /* samples written when reception began */
    clock::time_point d_start;
    uint64_t d_paced = 0; /* samples since d_start */
    double d_phase = 0;   /* cycles */
    std::mt19937 d_random{ 1 };
    std::normal_distribution<float> d_normal;

    side &at(int direction) { return d_side[direction == SOAPY_SDR_TX]; }
    const side &at(int direction) const { return d_side[direction == SOAPY_SDR_TX]; }

    void tell()
    {
        d_ring->rate = d_side[1].rate;
        d_ring->frequency = d_side[1].frequency;
        d_ring->gain_db = d_side[1].gain_db;
    }

public:
    explicit loopback(const SoapySDR::Kwargs &args)
    {
        const auto ring = args.find("ring");
        if (ring == args.end() || ring->second.empty())
            throw std::runtime_error("srecloop: no ring=FILE given");
        d_path = ring->second;
        const int file = open(d_path.c_str(), O_RDWR | O_CREAT, 0600);
        if (file < 0 || ftruncate(file, sizeof(shared_ring)) != 0)
            throw std::runtime_error("srecloop: cannot open " + d_path + ": " + std::strerror(errno));
        void *p = mmap(nullptr, sizeof(shared_ring), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (p == MAP_FAILED)
            throw std::runtime_error("srecloop: cannot map " + d_path);
        d_ring = static_cast<shared_ring *>(p);
        const auto port = args.find("port"); /* a port has one user at a time, as a real radio */
        if (port != args.end()) {
            d_claim = open((d_path + "." + port->second).c_str(), O_RDWR | O_CREAT, 0600);
            if (d_claim < 0 || flock(d_claim, LOCK_EX | LOCK_NB) != 0)
                throw std::runtime_error("srecloop: device busy");
        }
        d_mute = args.count("mute");
        d_side[0].antenna = "RX";
        d_side[1].antenna = "TX";
    }
    ~loopback() override
    {
        if (d_claim >= 0)
            close(d_claim);
        munmap(d_ring, sizeof(shared_ring));
    }

    std::string getDriverKey() const override { return "srecloop"; }
    size_t getNumChannels(const int) const override { return 1; }
    bool getFullDuplex(const int, const size_t) const override { return true; }

    std::vector<std::string> listAntennas(const int direction, const size_t) const override
    {
        return direction == SOAPY_SDR_TX ? std::vector<std::string>{ "TX" } : std::vector<std::string>{ "RX", "AUX" };
    }
    void setAntenna(const int direction, const size_t, const std::string &name) override
    {
        at(direction).antenna = name;
    }
    std::string getAntenna(const int direction, const size_t) const override { return at(direction).antenna; }

    std::vector<std::string> listGains(const int, const size_t) const override { return { "AMP" }; }
    void setGain(const int direction, const size_t, const double value) override
    {
        at(direction).gain_db = std::clamp(value, 0.0, GAIN_MAX);
        if (direction == SOAPY_SDR_TX)
            tell();
    }
    void setGain(const int direction, const size_t channel, const std::string &, const double value) override
    {
        setGain(direction, channel, value);
    }
    double getGain(const int direction, const size_t) const override { return at(direction).gain_db; }
    double getGain(const int direction, const size_t, const std::string &) const override
    {
        return at(direction).gain_db;
    }
    SoapySDR::Range getGainRange(const int, const size_t) const override { return { 0, GAIN_MAX }; }
    SoapySDR::Range getGainRange(const int, const size_t, const std::string &) const override
    {
        return { 0, GAIN_MAX };
    }

    void setFrequency(const int direction, const size_t, const double hz, const SoapySDR::Kwargs &) override
    {
        at(direction).frequency = std::clamp(hz, FREQUENCY_MIN, FREQUENCY_MAX);
        if (direction == SOAPY_SDR_TX)
            tell();
    }
    void setFrequency(const int direction, const size_t channel, const std::string &, const double hz,
                      const SoapySDR::Kwargs &args) override
    {
        setFrequency(direction, channel, hz, args);
    }
    double getFrequency(const int direction, const size_t) const override { return at(direction).frequency; }
    double getFrequency(const int direction, const size_t, const std::string &) const override
    {
        return at(direction).frequency;
    }
    std::vector<std::string> listFrequencies(const int, const size_t) const override { return { "RF" }; }
    SoapySDR::RangeList getFrequencyRange(const int, const size_t) const override
    {
        return { { FREQUENCY_MIN, FREQUENCY_MAX } };
    }
    SoapySDR::RangeList getFrequencyRange(const int, const size_t, const std::string &) const override
    {
        return { { FREQUENCY_MIN, FREQUENCY_MAX } };
    }

    void setSampleRate(const int direction, const size_t, const double rate) override
    {
        at(direction).rate = std::clamp(rate, RATE_MIN, RATE_MAX);
        if (direction == SOAPY_SDR_TX)
            tell();
    }
    double getSampleRate(const int direction, const size_t) const override { return at(direction).rate; }
    SoapySDR::RangeList getSampleRateRange(const int, const size_t) const override
    {
        return { { RATE_MIN, RATE_MAX } };
    }
    void setBandwidth(const int direction, const size_t, const double hz) override { at(direction).bandwidth = hz; }
    double getBandwidth(const int direction, const size_t) const override { return at(direction).bandwidth; }
    SoapySDR::RangeList getBandwidthRange(const int, const size_t) const override { return { { 1e4, RATE_MAX } }; }

    std::vector<std::string> getStreamFormats(const int, const size_t) const override { return { SOAPY_SDR_CF32 }; }
    std::string getNativeStreamFormat(const int, const size_t, double &fullScale) const override
    {
        fullScale = 1.0;
        return SOAPY_SDR_CF32;
    }

    SoapySDR::Stream *setupStream(const int direction, const std::string &format, const std::vector<size_t> &channels,
                                  const SoapySDR::Kwargs &) override
    {
        if (format != SOAPY_SDR_CF32 || channels.size() > 1)
            throw std::runtime_error("srecloop: one channel of CF32");
        if (direction == SOAPY_SDR_TX)
            tell();
        return reinterpret_cast<SoapySDR::Stream *>(&at(direction));
    }
    void closeStream(SoapySDR::Stream *) override {}
    size_t getStreamMTU(SoapySDR::Stream *) const override { return 8192; }
    int activateStream(SoapySDR::Stream *stream, const int, const long long, const size_t) override
    {
        d_start = clock::now();
        d_paced = 0;
        if (stream == reinterpret_cast<SoapySDR::Stream *>(&d_side[0]))
            d_ring->read = d_begun = d_ring->written.load(); /* what was sent before is gone */
        return 0;
    }
    int deactivateStream(SoapySDR::Stream *, const int, const long long) override { return 0; }

    int writeStream(SoapySDR::Stream *, const void *const *buffers, const size_t n, int &, const long long,
                    const long timeout_us) override
    {
        const auto *in = static_cast<const sample *>(buffers[0]);
        const auto give_up = clock::now() + std::chrono::microseconds(timeout_us);
        const auto due = d_start + std::chrono::microseconds((long long)(1e6 * d_paced / d_side[1].rate));
        std::this_thread::sleep_until(std::min(due, give_up));
        size_t room;
        while ((room = RING - (d_ring->written - d_ring->read)) == 0) {
            if (clock::now() > give_up)
                return SOAPY_SDR_TIMEOUT;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        const size_t part = std::min({ n, room, (size_t)8192 });
        const uint64_t at = d_ring->written;
        for (size_t i = 0; i < part; i++)
            d_ring->samples[(at + i) % RING] = in[i];
        d_ring->written = at + part;
        d_paced += part;
        return (int)part;
    }

    int readStream(SoapySDR::Stream *, void *const *buffers, const size_t n, int &flags, long long &,
                   const long timeout_us) override
    {
        auto *out = static_cast<sample *>(buffers[0]);
        flags = 0;
        const auto give_up = clock::now() + std::chrono::microseconds(timeout_us);
        const float noise = std::sqrt(0.5) * std::pow(10.0, 0.05 * (NOISE_DBFS + d_side[0].gain_db));
        while (d_ring->written == d_ring->read) {
            if (d_ring->written == d_begun && !d_mute) { /* no transmitter yet: noise alone */
                const size_t part = std::min(n, (size_t)(0.01 * d_side[0].rate));
                std::this_thread::sleep_for(std::chrono::milliseconds(10));
                for (size_t i = 0; i < part; i++)
                    out[i] = noise * sample(d_normal(d_random), d_normal(d_random));
                return (int)part;
            }
            if (clock::now() > give_up)
                return SOAPY_SDR_TIMEOUT;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        const uint64_t at = d_ring->read;
        const size_t part = std::min<size_t>(n, d_ring->written - at);
        const double away = d_ring->frequency + CFO_HZ - d_side[0].frequency, turn = away / d_side[0].rate;
        const bool heard = std::abs(away) < 0.5 * d_side[0].rate && d_ring->rate == d_side[0].rate;
        const float gain = heard ? std::pow(10.0, 0.05 * (d_ring->gain_db + d_side[0].gain_db - LOSS_DB)) : 0.0;
        for (size_t i = 0; i < part; i++) {
            d_phase += turn;
            d_phase -= std::floor(d_phase);
            const double angle = 2 * M_PI * d_phase;
            const sample x = gain * d_ring->samples[(at + i) % RING] * sample(std::cos(angle), std::sin(angle)) +
                             noise * sample(d_normal(d_random), d_normal(d_random));
            out[i] = { std::clamp(x.real(), -1.0f, 1.0f), std::clamp(x.imag(), -1.0f, 1.0f) };
        }
        d_ring->read = at + part;
        return (int)part;
    }
};

SoapySDR::KwargsList find(const SoapySDR::Kwargs &args)
{
    const auto driver = args.find("driver");
    if (driver == args.end() || driver->second != "srecloop")
        return {};
    return { args };
}

SoapySDR::Device *make(const SoapySDR::Kwargs &args) { return new loopback(args); }

const SoapySDR::Registry registration("srecloop", &find, &make, SOAPY_SDR_ABI_VERSION);

} // namespace
