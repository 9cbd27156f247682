# SPDX-License-Identifier: GPL-3.0-or-later
"""GNU Radio blocks that send images as encrypted semantic features. See docs/blocks.md."""
from gnuradio import gr as _gr  # noqa: F401  (base classes of the bindings)

from .srec_python import *  # noqa: F401,F403
from .companion import example_picture, folder_to_write, picture_or_example  # noqa: F401
from .image_sink import image_sink  # noqa: F401
from .image_source import image_source  # noqa: F401
from .image_view import image_view  # noqa: F401
from .picture_meter import picture_meter  # noqa: F401
from .io.sample_io import recording_sink, recording_source  # noqa: F401
from .receiver import receiver  # noqa: F401
from .transmitter import transmitter  # noqa: F401
from .video_source import video_source  # noqa: F401
