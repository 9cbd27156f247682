/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <CppUTest/CommandLineTestRunner.h>

int main(int argc, char **argv)
{
    /* libraries below (OpenMP, oneDNN) keep memory for good: leaks are AddressSanitizer's to find */
    MemoryLeakWarningPlugin::turnOffNewDeleteOverloads();
    return CommandLineTestRunner::RunAllTests(argc, argv);
}
