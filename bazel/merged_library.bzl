"""One static library, and a shared one, that export a list of names and nothing else."""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain", "use_cpp_toolchain")

def _archives(deps, without):
    """The static libraries behind deps, position-independent where there is a choice."""
    found = {}
    left_out = {target.label: True for target in without}
    for dep in deps:
        for linker_input in dep[CcInfo].linking_context.linker_inputs.to_list():
            if linker_input.owner in left_out:
                continue
            for library in linker_input.libraries:
                archive = library.pic_static_library or library.static_library
                if archive:
                    found[archive] = True
    return found.keys()

def _merged_library_impl(ctx):
    toolchain = find_cpp_toolchain(ctx)
    archives = _archives(ctx.attr.deps, ctx.attr.without)
    name = ctx.attr.library
    static = ctx.actions.declare_file("{}/{}.a".format(ctx.label.name, name))
    outputs = [static]
    if ctx.attr.shared:
        outputs.append(ctx.actions.declare_file("{}/{}.so".format(ctx.label.name, name)))
    ctx.actions.run(
        arguments = [
            ctx.file.exports.path,
            "1" if ctx.attr.localize_hidden else "0",
            static.path,
            outputs[1].path if ctx.attr.shared else "-",
            name + ".so",
        ] + [archive.path for archive in archives],
        env = {
            "AR": toolchain.ar_executable,
            "CXX": toolchain.compiler_executable,
            "LD": toolchain.ld_executable,
            "OBJCOPY": toolchain.objcopy_executable,
            "PATH": "/usr/bin:/bin",
        },
        executable = ctx.executable._merge,
        inputs = depset(archives + [ctx.file.exports], transitive = [toolchain.all_files]),
        mnemonic = "MergeLibrary",
        outputs = outputs,
        progress_message = "Merging %{label}",
    )
    return [DefaultInfo(files = depset(outputs), runfiles = ctx.runfiles(outputs))]

merged_library = rule(
    implementation = _merged_library_impl,
    doc = "Merges the static libraries behind deps into `<name>/<library>.a` and `.so`.",
    attrs = {
        "deps": attr.label_list(providers = [CcInfo], mandatory = True),
        "exports": attr.label(allow_single_file = True, mandatory = True, doc = "Patterns over mangled names, one a line."),
        "library": attr.string(mandatory = True, doc = "File name without extension."),
        "localize_hidden": attr.bool(default = True, doc = "Whether names of hidden visibility become local too."),
        "shared": attr.bool(default = True),
        "without": attr.label_list(providers = [CcInfo], doc = "Libraries behind deps that whoever links the result compiles."),
        "_merge": attr.label(default = "//bazel/private:merge_library", executable = True, cfg = "exec"),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    toolchains = use_cpp_toolchain(),
)
