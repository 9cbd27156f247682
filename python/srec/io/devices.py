# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources and sinks of samples: files, pipes, ZeroMQ, radios over UHD and SoapySDR. Every error is one line."""
import errno
import os
from typing import Any, Iterable

from . import sigmf

KINDS = ("sim", "file", "zmq", "uhd", "soapy")
RADIOS = ("uhd", "soapy")
USAGE = "sim, file:PATH, zmq:ADDRESS, uhd:ARGUMENTS, soapy:ARGUMENTS or -"
RATE_TOLERANCE = 1e-6  # permitted relative deviation of the radio's rate
FREQUENCY_TOLERANCE_HZ = 10.0


class DeviceError(Exception):
    """A device that cannot be used as requested: one line with the reason and the cure."""


def parse(text: str) -> tuple[str, str]:
    """Split the text of a device into kind and argument. Raises ValueError.

    'zmq:tcp://*:5555' gives ('zmq', 'tcp://*:5555'); '-' gives ('-', '').
    """
    if text == "-":
        return "-", ""
    kind, _, argument = text.partition(":")
    if kind not in KINDS:
        raise ValueError(f"--device {text}: must be {USAGE}")
    if kind in ("file", "zmq") and not argument:
        raise ValueError(
            f"--device {text}: "
            + (
                "the file's name is missing"
                if kind == "file"
                else "the address is missing, as in zmq:tcp://127.0.0.1:5555"
            )
        )
    return kind, argument


# words of a driver's message (lower case): their meaning and the cure
_MEANINGS = (
    (
        (
            "no devices found",
            "no match",
            "no device",
            "not found",
            "could not find",
            "cannot find",
            "no such device",
            "no rtl-sdr",
            "available::",
        ),
        (
            "no such device: is it plugged in and powered, and its driver installed? `uhd_find_devices` or"
            " `SoapySDRUtil --find` lists what there is"
        ),
    ),
    (("busy", "claim", "in use", "already open", "already connected"), "the device is busy: another program uses it"),
    (("permission", "access", "insufficient"), "this user may not open the device: see docs/radio.md, permissions"),
    (("0 channels available", "unsupported number of channels"), "the device has no channel in this direction"),
)


def explain(name: str, error: Exception) -> DeviceError:
    """Return a DeviceError with one line for a driver's exception."""
    text = " ".join(str(error).split())[:160]
    lower = text.lower()
    for words, meaning in _MEANINGS:
        if any(word in lower for word in words):
            return DeviceError(f"{name}: {meaning} ({text})")
    return DeviceError(f"{name}: {text or type(error).__name__}")


def _near(name: str, what: str, asked: float, got: float, tolerance: float, unit: str, option: str) -> None:
    if abs(got - asked) > tolerance:
        raise DeviceError(
            f"{name}: the device does not do a {what} of {asked:.9g} {unit}; the nearest is {got:.9g}: use"
            f" {option} {got:.9g}"
        )


def _choice(name: str, what: str, asked: str, offered: Iterable[str], option: str) -> None:
    if asked not in offered:
        raise DeviceError(f"{name}: no {what} {asked}; {option} may be {', '.join(offered) or 'left out only'}")


def _range(name: str, what: str, asked: float, low: float, high: float, unit: str, option: str) -> None:
    if not low <= asked <= high:
        raise DeviceError(f"{name}: a {what} of {asked:g} {unit} is out of reach; {option} may be {low:g} to {high:g}")


def open_uhd(arguments: str, transmit: bool, options: Any) -> Any:
    """Return a tuned usrp_sink or usrp_source.

    options: an object with rate, frequency and, optionally None, gain, antenna, bandwidth.
    """
    name = f"uhd:{arguments}"
    os.environ.setdefault("UHD_LOG_CONSOLE_LEVEL", "warning")  # the greetings of the driver would hide important lines
    try:
        from gnuradio import uhd
    except ImportError as error:
        raise DeviceError(f"{name}: GNU Radio's UHD blocks are not installed ({error})") from None
    try:
        stream = uhd.stream_args("fc32", channels=[0])
        device = uhd.usrp_sink(arguments, stream) if transmit else uhd.usrp_source(arguments, stream)
        device.set_samp_rate(options.rate)
        _near(name, "rate", options.rate, device.get_samp_rate(), RATE_TOLERANCE * options.rate, "samples/s", "--rate")
        if options.antenna is not None:
            _choice(name, "antenna", options.antenna, device.get_antennas(0), "--antenna")
            device.set_antenna(options.antenna, 0)
        device.set_center_freq(uhd.tune_request(options.frequency), 0)
        _near(
            name, "frequency", options.frequency, device.get_center_freq(0), FREQUENCY_TOLERANCE_HZ, "Hz", "--frequency"
        )
        if options.gain is not None:
            gains = device.get_gain_range(0)
            _range(name, "gain", options.gain, gains.start(), gains.stop(), "dB", "--gain")
            device.set_gain(options.gain, 0)
        if options.bandwidth is not None:
            device.set_bandwidth(options.bandwidth, 0)
    except (RuntimeError, ValueError, LookupError, OSError) as error:
        raise explain(name, error) from None
    return device


def open_soapy(arguments: str, transmit: bool, options: Any) -> Any:
    """Return a tuned SoapySDR sink or source. The options are those of open_uhd()."""
    name = f"soapy:{arguments}"
    try:
        from gnuradio import soapy
    except ImportError as error:
        raise DeviceError(f"{name}: GNU Radio's SoapySDR blocks are not installed ({error})") from None
    try:
        device = (soapy.sink if transmit else soapy.source)(arguments, "fc32", 1, "", "", [""], [""])
        rates = device.get_sample_rate_range(0)
        if rates and not any(r.minimum() <= options.rate <= r.maximum() for r in rates):
            spans = ", ".join(
                f"{r.minimum():g}" if r.minimum() == r.maximum() else f"{r.minimum():g} to {r.maximum():g}"
                for r in rates
            )
            raise DeviceError(
                f"{name}: the device does not do a rate of {options.rate:.9g} samples/s; --rate may be {spans}"
            )
        device.set_sample_rate(0, options.rate)
        _near(
            name, "rate", options.rate, device.get_sample_rate(0), RATE_TOLERANCE * options.rate, "samples/s", "--rate"
        )
        if options.antenna is not None:
            _choice(name, "antenna", options.antenna, device.list_antennas(0), "--antenna")
            device.set_antenna(0, options.antenna)
        frequencies = device.get_frequency_range(0)
        if frequencies:
            _range(
                name,
                "frequency",
                options.frequency,
                min(r.minimum() for r in frequencies),
                max(r.maximum() for r in frequencies),
                "Hz",
                "--frequency",
            )
        device.set_frequency(0, options.frequency)
        _near(
            name, "frequency", options.frequency, device.get_frequency(0), FREQUENCY_TOLERANCE_HZ, "Hz", "--frequency"
        )
        if options.gain is not None:
            gains = device.get_gain_range(0)
            _range(name, "gain", options.gain, gains.minimum(), gains.maximum(), "dB", "--gain")
            if device.has_gain_mode(0):
                device.set_gain_mode(0, False)
            device.set_gain(0, options.gain)
        if options.bandwidth is not None:
            device.set_bandwidth(0, options.bandwidth)
    except (RuntimeError, ValueError, LookupError, OSError) as error:
        raise explain(name, error) from None
    return device


def open_source(kind: str, argument: str, options: Any) -> Any:
    """Return a block with one complex output. Raises DeviceError.

    options: those of open_uhd(), and datatype (of pipes and bare files), repeat.
    Blocks of files, pipes and ZeroMQ have finish() and error (see sample_io.sample_source).
    """
    from . import sample_io

    try:
        if kind == "file" and sigmf.is_recording(argument):
            recording = sample_io.recording_source(argument, options.repeat)
            recording.quiet = True  # the command reports the error
            return recording
        if kind == "file":
            return sample_io.sample_source(sample_io.file_reader(argument, options.datatype, options.repeat))
        if kind == "zmq":
            return sample_io.sample_source(sample_io.ZmqReader(argument))
        if kind == "-":
            return sample_io.sample_source(sample_io.PipeReader(0, options.datatype))
    except (OSError, ValueError) as error:
        raise _plain(argument, error) from None
    return (open_uhd if kind == "uhd" else open_soapy)(argument, False, options)


def open_sink(kind: str, argument: str, options: Any, fd: int = 1) -> Any:
    """Return a block with one complex input. Raises DeviceError.

    options: those of open_uhd(), and datatype; for a recording also srec (dict for its metadata) and overwrite.
    fd: file descriptor for the device "-".
    Blocks of files, pipes and ZeroMQ have error and writer (see sample_io.sample_sink). The caller closes the writer of
    a file.
    """
    from . import recording, sample_io

    try:
        if kind == "file":
            writer = recording.RecordingWriter(
                argument, options.datatype, options.rate, options.frequency, options.srec, options.overwrite
            )
            return sample_io.sample_sink(writer, "recording_sink", stay_open=True)
        if kind == "zmq":
            return sample_io.sample_sink(sample_io.ZmqWriter(argument))
        if kind == "-":
            return sample_io.sample_sink(sample_io.PipeWriter(fd, options.datatype))
    except (OSError, ValueError) as error:
        raise _plain(argument, error) from None
    return (open_uhd if kind == "uhd" else open_soapy)(argument, True, options)


def _plain(argument: str, error: Exception) -> DeviceError:
    if not isinstance(error, OSError):
        return DeviceError(str(error))
    name = error.filename or argument
    if error.errno == errno.EADDRINUSE:
        return DeviceError(f"{name}: the address is busy: another program sends there")
    if error.errno == errno.EINVAL and "://" not in str(name):
        return DeviceError(f"{name}: no ZeroMQ address; they look like tcp://127.0.0.1:5555")
    return DeviceError(f"{name}: {error.strerror or os.strerror(error.errno or 0)}")
