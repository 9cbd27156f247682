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

TEST(status, fail_fills_the_error_and_leaves_out_the_middle_of_long_messages)
{
    srec_error e;
    for (int length : { 0, 200, 300, 1000, 4096 }) {
        const std::string message = "/begin/" + std::string(length, 'x') + "/file: what is wrong";
        LONGS_EQUAL(SREC_ERR_IO, srec_fail(&e, SREC_ERR_IO, "%s", message.c_str()));
        LONGS_EQUAL(SREC_ERR_IO, e.status);
        STRNCMP_EQUAL("/begin/", e.message, 7);
        STRCMP_CONTAINS("/file: what is wrong", e.message);
        if (message.size() < sizeof e.message)
            STRCMP_EQUAL(message.c_str(), e.message);
        else {
            LONGS_EQUAL(sizeof e.message - 1, strlen(e.message));
            STRCMP_CONTAINS(" ... ", e.message);
        }
    }
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
}

TEST(status, a_message_without_its_middle_has_whole_characters_and_whole_escapes)
{
    for (int before = 0; before < 4; before++) {
        std::string longer(before, 'x');
        for (int i = 0; i < 500; i++)
            longer += i % 3 == 0   ? "\xe2\x82\xac"
                      : i % 3 == 1 ? "\xc3\xa4"
                                   : "\xff"; /* three bytes, two, an escape
                                                                                       * */
        const std::string message = shown(longer);
        CHECK(message.size() >= 250 && message.size() <= 255);
        STRCMP_EQUAL(message.c_str(), shown(message).c_str()); /* valid UTF-8 */
        const size_t gap = message.find(" ... ");
        CHECK(gap != std::string::npos);
        const std::string parts[2] = { message.substr(before, gap - before), message.substr(gap + 5) };
        const std::string period = "\xe2\x82\xac\xc3\xa4\\xff";
        std::string whole;
        for (int i = 0; i < 40; i++)
            whole += period;
        for (const std::string &part : parts)
            CHECK(whole.find(part) != std::string::npos);
        CHECK(whole.compare(0, parts[0].size(), parts[0]) == 0);
    }
}
