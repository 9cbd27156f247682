/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  What stands behind a source of pictures in the flowgraph, so that it can follow the
 *  pace of what it feeds. All of it
 *  holds from the block's start() on: before that, hierarchical blocks have not been
 *  taken apart. */
#ifndef INCLUDED_SREC_SURROUNDINGS_H
#define INCLUDED_SREC_SURROUNDINGS_H

#include "common.h"

#include <gnuradio/basic_block.h>
#include <string>

namespace gr {
namespace srec {

/* True if a block behind \p source, reached over messages and streams, sends messages
 * to its port \p port. */
GR_SREC_API bool feeds_back(const gr::basic_block_sptr& source, const std::string& port);
/* Connects the `info` of each semantic_encoder and mapper that \p source reaches over
 * messages to its port \p port. In
 * start() only: no block sends messages yet. \return how many there are */
GR_SREC_API int follow(const gr::basic_block_sptr& source, const std::string& port);
/* Messages that wait in the queues of the blocks connected to the port \p port of \p
 * source. */
GR_SREC_API size_t waiting_behind(const gr::basic_block_sptr& source,
                                  const std::string& port);
/* True if a block that \p source reaches over messages has worked on one message for
 * over a second. */
GR_SREC_API bool busy_behind(const gr::basic_block_sptr& source);
/* Items that these blocks have put into streams so far. */
GR_SREC_API uint64_t items_behind(const gr::basic_block_sptr& source);

} // namespace srec
} // namespace gr

#endif
