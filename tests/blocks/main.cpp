/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <CppUTest/CommandLineTestRunner.h>
#include <CppUTest/TestRegistry.h>

int main(int argc, char **argv)
{
    /* GNU Radio keeps objects from before main() and frees them in threads of its own, which CppUTest's search for
     * leaks does not survive: no plugin, unlike CommandLineTestRunner::RunAllTests() */
    MemoryLeakWarningPlugin::turnOffNewDeleteOverloads();
    CommandLineTestRunner runner(argc, argv, TestRegistry::getCurrentRegistry());
    return runner.runAllTestsMain();
}
