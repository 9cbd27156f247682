#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""simulator.py TRANSMITTED RECEIVED: UHD's simulated E320 until the process is stopped. What a client transmits goes to
the file TRANSMITTED (sc16),
what it receives comes from RECEIVED, over and over. Prints `ready` once a client can connect. Exit code 77 with a
reason if a package is missing.

UHD's packages lack three things that the simulator of theirs needs; they are put in here: the msgpack-rpc server
`mprpc`, the bindings of real
hardware, and the start of the two processes."""
import os
import queue
import signal
import socket
import sys
import tempfile
import types
from os import waitpid  # the real ones: usrp_mpm has gevent put others into these modules
from time import sleep
from unittest import mock

PACKAGES = {
    "uhd": "python3-uhd",
    "usrp_mpm": "python3-uhd",
    "gevent": "python3-gevent",
    "pyudev": "python3-pyudev",
    "msgpack": "python3-msgpack",
    "netaddr": "python3-netaddr",
    "pyroute2": "python3-pyroute2",
    "systemd": "python3-systemd",
}
CONFIG = """[hardware]
preset = E320
serial_num = FA4EDE7
[sample.source]
class = FileSource
read_file = {received}
repeat = True
[sample.sink]
class = FileSink
write_file = {transmitted}
"""


def missing():
    """-> Debian packages that are not there"""
    import importlib.util

    return sorted({package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None})


def rpc_server_module():
    """What the simulator takes from mprpc: a server of msgpack-rpc requests, [0, id, method, arguments] -> [1, id,
    error, result]."""
    import msgpack

    class RPCServer:
        def __init__(self, *_args, **_options):
            pass

        def __call__(self, connection, address):
            if not getattr(self, "client_host", None):
                self.client_host, self.client_port = address[:2]
            requests = msgpack.Unpacker(raw=False, strict_map_key=False)
            while True:
                data = connection.recv(65536)
                if not data:
                    return
                requests.feed(data)
                for kind, number, method, arguments in requests:
                    if kind == 0:
                        connection.sendall(msgpack.packb(self._answer(number, method, arguments), use_bin_type=True))

        def _answer(self, number, method, arguments):
            try:
                result = getattr(self, method)(*arguments)
                if method == "get_device_info":  # UHD wants text for everything
                    result = {str(key): str(value) for key, value in result.items()}
                return [1, number, None, result]
            except Exception as error:  # the client is told
                return [1, number, str(error), None]

    module = types.ModuleType("mprpc")
    module.RPCServer = RPCServer
    return module


def alive(processes):
    try:
        return all(waitpid(p.pid, os.WNOHANG) == (0, 0) for p in processes)
    except ChildProcessError:  # somebody else has waited for it
        return False


def discoverable(port):
    """-> True once the simulator answers as UHD's clients ask"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.5)
        for _ in range(60):
            try:
                s.sendto(b"MPM-DISC", ("127.0.0.1", port))
                return s.recv(9000).startswith(b"USRP-MPM")
            except OSError:
                sleep(0.1)
    return False


def end(processes, config, code=0):
    for process in processes:
        try:
            os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    os.remove(config)
    os._exit(code)


def patch_links():
    """Debian's pyroute2 takes numbers, not the list that UHD's lookup returns."""
    from usrp_mpm.sys_utils import net

    class Links(net.IPRoute):
        def get_links(self, *numbers, **options):
            flat = (n for part in numbers for n in (part if isinstance(part, (list, tuple)) else [part]))
            return super().get_links(*flat, **options)

    net.IPRoute = Links


def patch_reports():
    """UHD's queue of client reports breaks when 100 of them wait. Only the newest ones count."""
    from usrp_mpm.simulator import chdr_stream

    def queue_packet(stream, packet):
        while True:
            try:
                return stream.strs_queue.put_nowait(packet)
            except queue.Full:
                stream.strs_queue.get_nowait()

    chdr_stream.ChdrOutputStream.queue_packet = queue_packet


def patch_device():
    """What clients of UHD 4.8 use and its simulator lacks: a register, a temperature, a time source."""
    from usrp_mpm.periph_manager import sim
    from usrp_mpm.simulator import sim_dboard, stream_ep_regs

    write = stream_ep_regs.StreamEpRegs.write

    def write_register(registers, address, value):
        if address <= stream_ep_regs.REG_ISTRM_CTRL_STATUS:
            write(registers, address, value)

    def get_sensor(board, direction, name, channel=0):
        return {"name": name, "type": "REALNUM", "unit": "C", "value": "30"}

    stream_ep_regs.StreamEpRegs.write = write_register
    sim_dboard.SimulatedCatalinaDboard.get_sensor = get_sensor
    sim.sim.get_time_source = lambda device: "internal"
    sim.sim.set_time_source = lambda device, source: None


def start(state, config):
    """-> the simulator's processes"""
    from usrp_mpm import mpmtypes, rpc_server
    from usrp_mpm.discovery import spawn_discovery_process

    # not spawn_rpc_process(): UHD 4.3 and 4.8 order its arguments differently
    rpc = rpc_server.Process(
        target=rpc_server._rpc_server_process, args=(state, mpmtypes.MPM_RPC_PORT, {"config": config})
    )
    rpc.start()
    return [rpc, spawn_discovery_process(state, "0.0.0.0")]


def main(transmitted, received):
    lacking = missing()
    if lacking:
        print("skip: not installed: " + " ".join(lacking))
        return 77
    sys.modules["mprpc"] = rpc_server_module()
    sys.modules["usrp_mpm.libpyusrp_periphs"] = mock.MagicMock()
    from usrp_mpm import mpmtypes

    patch_links()
    patch_reports()
    patch_device()
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as config:
        config.write(CONFIG.format(transmitted=transmitted, received=received))
        config.flush()
        state = mpmtypes.SharedState()
        processes = start(state, config.name)
        signal.signal(signal.SIGTERM, lambda *_: end(processes, config.name))
        signal.signal(signal.SIGINT, lambda *_: end(processes, config.name))
        while not state.system_ready.value and alive(processes):
            sleep(0.05)
        ready = state.system_ready.value and discoverable(mpmtypes.MPM_DISCOVERY_PORT)
        print("ready" if ready else "failed", flush=True)
        parent = os.getppid()
        while alive(processes) and os.getppid() == parent:  # a test that was killed leaves nothing behind
            sleep(0.2)
        end(processes, config.name, 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
