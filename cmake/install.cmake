# SPDX-License-Identifier: GPL-3.0-or-later
# What `cmake --install` puts where. Python (python/srec), GRC (grc) and the command (apps) install themselves.
include(CMakePackageConfigHelpers)

# Headers, libraries, and for programs that link them: CMake packages `srec`, `gnuradio-srec` and pkg-config's srec.pc.
# Before 1.0 a new minor version may break the API: the compatibility of the packages says so.
install(DIRECTORY include/srec DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

function(srec_install_package package target)
    set(folder ${CMAKE_INSTALL_LIBDIR}/cmake/${package})
    string(REGEX MATCH "^[a-z]+" namespace ${package})
    install(TARGETS ${target} EXPORT ${package}Targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(EXPORT ${package}Targets NAMESPACE ${namespace}:: DESTINATION ${folder})
    configure_package_config_file(cmake/${package}Config.cmake.in ${PROJECT_BINARY_DIR}/cmake/${package}Config.cmake INSTALL_DESTINATION ${folder})
    write_basic_package_version_file(${PROJECT_BINARY_DIR}/cmake/${package}ConfigVersion.cmake COMPATIBILITY SameMinorVersion)
    install(FILES ${PROJECT_BINARY_DIR}/cmake/${package}Config.cmake ${PROJECT_BINARY_DIR}/cmake/${package}ConfigVersion.cmake DESTINATION ${folder})
endfunction()

srec_install_package(srec srec)
file(RELATIVE_PATH SREC_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/srec.pc.in ${PROJECT_BINARY_DIR}/cmake/srec.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cmake/srec.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES models/${SREC_MODEL_FILE} DESTINATION ${CMAKE_INSTALL_DATADIR}/srec/models)
install(FILES models/${SREC_ENHANCER_X1_FILE} models/${SREC_ENHANCER_X2_FILE}
              models/${SREC_LAYERS_ENHANCER_X1_FILE} models/${SREC_LAYERS_ENHANCER_X2_FILE}
        DESTINATION ${CMAKE_INSTALL_DATADIR}/srec/models OPTIONAL)
list(TRANSFORM SREC_OTHER_FILES PREPEND models/ OUTPUT_VARIABLE other_files)
install(FILES ${other_files} DESTINATION ${CMAKE_INSTALL_DATADIR}/srec/models OPTIONAL)
install(DIRECTORY models/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/models FILES_MATCHING PATTERN "*.md") # docs link to the cards
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)

if(SREC_GNURADIO)
    install(DIRECTORY include/gnuradio/srec DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gnuradio FILES_MATCHING PATTERN "*.h")
    srec_install_package(gnuradio-srec gnuradio-srec)
    install(DIRECTORY examples/ DESTINATION ${CMAKE_INSTALL_DATADIR}/gnuradio/examples/srec PATTERN "__pycache__" EXCLUDE)
    # The module and the libraries find each other in any prefix, before any ldconfig. /usr needs no help.
    if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
        file(RELATIVE_PATH to_libraries /${SREC_PYTHON_DIR}/gnuradio/srec /${CMAKE_INSTALL_LIBDIR})
        set_target_properties(gnuradio-srec PROPERTIES INSTALL_RPATH "$ORIGIN")
        set_target_properties(srec_python PROPERTIES INSTALL_RPATH "$ORIGIN/${to_libraries}")
        file(RELATIVE_PATH to_libraries /${SREC_PYTHON_DIR} /${CMAKE_INSTALL_LIBDIR})
        set_target_properties(srec_core PROPERTIES INSTALL_RPATH "$ORIGIN/${to_libraries}")
    endif()
endif()

add_custom_target(uninstall COMMAND ${CMAKE_COMMAND} -P ${PROJECT_SOURCE_DIR}/cmake/uninstall.cmake
    WORKING_DIRECTORY ${PROJECT_BINARY_DIR} VERBATIM)
