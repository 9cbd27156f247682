/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/packet.h>

enum { LONGEST_PATCHES = 4 }; /* patches of the longest ladder step that every slice must hold */

size_t srec_packet_least_frame(const srec_model *model, srec_modulation m)
{
    const size_t room = srec_packet_payload_room(m, SREC_SLICE_LEAST_PATCHES, SREC_FRAME_MAX);
    if (!model || !room)
        return 0;
    const unsigned longest = srec_model_ladder(model, srec_model_ladder_steps(model) - 1);
    return SREC_FRAME_MAX - room + LONGEST_PATCHES * (size_t)longest;
}
