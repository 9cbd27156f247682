/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/status.h>

#include <cstring>
#include <string>

#include <CppUTest/TestHarness.h>

TEST_GROUP(status) {};

TEST(status, every_status_has_a_name_of_its_own)
{
    for (int i = SREC_ERR_INTERNAL; i <= SREC_OK; i++)
        for (int j = SREC_ERR_INTERNAL; j < i; j++)
            CHECK(std::string(srec_strerror((srec_status)i)) != srec_strerror((srec_status)j));
    STRCMP_EQUAL("unknown status", srec_strerror((srec_status)-999));
}

TEST(status, fail_fills_the_error_and_cuts_long_messages)
{
    srec_error e;
    std::string longer(1000, 'x');
    LONGS_EQUAL(SREC_ERR_IO, srec_fail(&e, SREC_ERR_IO, "%s", longer.c_str()));
    LONGS_EQUAL(sizeof e.message - 1, strlen(e.message));
    LONGS_EQUAL(SREC_ERR_IO, e.status);
    LONGS_EQUAL(SREC_ERR_IO, srec_fail(nullptr, SREC_ERR_IO, "no error wanted"));
}
