# SPDX-License-Identifier: Apache-2.0
# A module is a folder of src/ as an object library. Its files write includes as "folder/file.h"; only the
# folders that it names are on its include path (as links in the build folder), so a wrong include does not
# compile.
set(TRANSHIP_MODULES)

function(tranship_module_includes target)
	target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/include ${CMAKE_BINARY_DIR}/generated)
	foreach(module ${ARGN})
		set(view ${CMAKE_BINARY_DIR}/modules/${module})
		file(MAKE_DIRECTORY ${view})
		if(NOT EXISTS ${view}/${module})
			file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/${module} ${view}/${module} SYMBOLIC)
		endif()
		target_include_directories(${target} PRIVATE ${view})
	endforeach()
	target_include_directories(${target} SYSTEM PRIVATE ${TRANSHIP_INCLUDES})
endfunction()

function(tranship_module name)
	cmake_parse_arguments(ARG "" "" "USES" ${ARGN})
	file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.c)
	add_library(${name} OBJECT ${sources})
	tranship_module_includes(${name} ${name} ${ARG_USES})
	set(TRANSHIP_MODULES ${TRANSHIP_MODULES} ${name} PARENT_SCOPE)
endfunction()

# libtranship as it is installed, and all of it as a static library for the tests, which look inside.
function(tranship_library)
	set(objects)
	foreach(module ${TRANSHIP_MODULES})
		list(APPEND objects $<TARGET_OBJECTS:${module}>)
	endforeach()
	add_library(tranship SHARED ${objects})
	add_library(tranship::tranship ALIAS tranship)
	set_target_properties(tranship PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
		LINK_DEPENDS ${CMAKE_SOURCE_DIR}/packaging/libtranship.map)
	target_link_options(tranship PRIVATE
		-Wl,--version-script=${CMAKE_SOURCE_DIR}/packaging/libtranship.map)
	target_include_directories(tranship PUBLIC
		$<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
	target_link_libraries(tranship PRIVATE ${TRANSHIP_LIBRARIES})

	add_library(tranship-inside STATIC EXCLUDE_FROM_ALL ${objects})
	target_link_libraries(tranship-inside INTERFACE ${TRANSHIP_LIBRARIES})
endfunction()
