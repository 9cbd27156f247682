/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <srec/status.h>

#include <cstring>
#include <string>

#include <CppUTest/TestHarness.h>

TEST_GROUP(status){};

TEST(status, every_status_has_a_name_of_its_own)
{
    for (int i = SREC_ERR_LATE; i <= SREC_OK; i++)
        for (int j = SREC_ERR_LATE; j < i; j++)
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

static std::string shown(const std::string &text)
{
    srec_error e;
    srec_fail(&e, SREC_ERR_FORMAT, "%s", text.c_str());
    return e.message;
}

TEST(status, a_message_keeps_text_of_any_language)
{
    for (const char *text : { "K\xc3\xb6ln, \xe6\x9d\xb1\xe4\xba\xac", "a\\b c", "\xf0\x9f\x98\x80" })
        STRCMP_EQUAL(text, shown(text).c_str());
}

TEST(status, a_message_holds_nothing_that_a_terminal_obeys)
{
    STRCMP_EQUAL("a\\x1b]0;b\\x07\\x0a\\x7f", shown("a\x1b]0;b\x07\n\x7f").c_str());
    STRCMP_EQUAL("\\xc2\\x9b31m", shown("\xc2\x9b"
                                        "31m")
                                      .c_str()); /* U+009B, an escape sequence's start in one */
    STRCMP_EQUAL("\\xe2\\x80\\xaegpj", shown("\xe2\x80\xae"
                                             "gpj")
                                           .c_str());               /* U+202E, right to left from here */
    STRCMP_EQUAL("\\xe2\\x80\\xa8", shown("\xe2\x80\xa8").c_str()); /* U+2028, line separator */
}

TEST(status, a_message_is_valid_utf8_whatever_it_is_made_of)
{
    STRCMP_EQUAL("b\\xe4.jpg", shown("b\xe4.jpg").c_str());
    for (const char *bad : { "\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                             "\xf8\x88\x80\x80\x80", "\xe2\x82", "\xff" })
        for (char c : shown(bad))
            CHECK(c > 0);
    std::string longer(1000, '\xe4');
    LONGS_EQUAL(252, shown(longer).size()); /* whole escapes only */
    std::string cut = std::string(254, 'x') + "\xc3\xb6";
    STRCMP_EQUAL(std::string(254, 'x').c_str(), shown(cut).c_str());
}
