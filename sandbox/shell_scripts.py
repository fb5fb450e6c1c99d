"""What runs in a container whose image has no Python: POSIX shell, as `sh` of Debian, Alpine or busybox reads it.

Scripts about files run as the commands' user while no command does, so that between a look and a deed nothing moves.
They exit with `MISSING` or `REFUSED`, the latter with a reason on stderr.
"""

TOOLS = ("cat", "chmod", "env", "find", "mkdir", "mv", "readlink", "rm", "stat", "tar", "timeout", "xargs")
"""Programs of the image that are used where it has them."""
ESSENTIAL = frozenset({"cat", "env"})
"""Without these there is no sandbox."""
MISSING, REFUSED = 44, 43

MAIN = r"""
for tool in "$@"; do command -v "$tool" >/dev/null 2>&1 || printf '%s ' "$tool"; done
echo
while read -r _; do
    while kill -9 -1; do :; done
    kills=0
    for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
        [ -r "$file" ] && while read -r name count; do [ "$name" = oom_kill ] && kills=$count; done <"$file"
    done
    echo "$kills"
done 2>/dev/null
"""
"""The container's main process, user 0 with the right to kill and no other. Says which tools are missing; then, for
each line it reads, kills every other process, by one call and without a fork, and says how many the kernel has killed
for want of memory. It ends with its stdin, and the container with it.
"""

COMMAND = r"""
exec 3>&2 2>/dev/null
echo 1000 >/proc/self/oom_score_adj
(exec "$@" 2>&3 3>&-)
code=$?
kill -9 -1
exit $code
"""
"""One command: the kernel's first choice when memory is short; what it leaves ends with it. In a subshell, so that
what the shell says of signals is not in the command's output.
"""

FACTS = r"""
stat -c %.9Z . 2>/dev/null || echo
tar --version 2>/dev/null
exit 0
"""
"""Which family the tools are of: whether times have fractions, whether tar is GNU's."""

_FOLDERS = r"""
refuse() { printf '%s' "$1" >&2; exit 43; }
make=$1
shift
while [ $# -gt 1 ]; do
    [ -L "./$1" ] && refuse "'$1' cannot be entered (it is a link)"
    [ -e "./$1" ] || [ -z "$make" ] || mkdir "./$1" || exit 43
    [ -e "./$1" ] || exit 44
    [ -d "./$1" ] || refuse "'$1' cannot be entered (it is no folder)"
    cd "./$1" || exit 43
    shift
done
file="./$1"
"""
"""Goes from folder to folder, through no link. Arguments: `make` or nothing, folders, a name."""

ENTER = _FOLDERS
READ = (
    _FOLDERS
    + r"""
[ -L "$file" ] && refuse 'it is no regular file (it is a link)'
[ -e "$file" ] || exit 44
[ -f "$file" ] || refuse 'it is no regular file'
exec cat "$file"
"""
)
WRITE = (
    r"""
draft="./.$1"
shift
"""
    + _FOLDERS
    + r"""
mode=644
if [ -L "$file" ]; then
    rm -f "$file"
elif [ -d "$file" ]; then
    refuse 'it cannot be written (it is a folder)'
elif [ -f "$file" ]; then
    mode=$(stat -c %a "$file") || mode=644
    [ ${#mode} -gt 3 ] && mode=${mode#?}
fi
cat >"$draft" && chmod "$mode" "$draft" && mv -f "$draft" "$file" && exit 0
rm -f "$draft"
exit 43
"""
)
"""Replaces a file from stdin, keeping its mode. The first argument is a name for its draft."""

LIST = r"""
find . -print0
code=$?
printf '\0'
find . -exec stat -c '%f %s %.9Z %.9Y' {} + || code=43
exit $code
"""
"""Every name and a zero byte, one more, then in the same order a line each: raw mode, size, change and content time."""

CONTENTS = r"""
find . -type l -exec sh -c 'for link; do readlink -n "$link"; printf "\0"; done' sh {} + || exit 43
find . -type f -exec cat {} + || exit 43
"""
"""Targets of links, each with a zero byte, then all files, both in the order of `LIST`."""

REMOVE = r"""
xargs -0 rm -f --
"""
"""What is named on stdin."""

UNPACK = r"""
tar -xpf - >/dev/null || exit 43
"""
MODES = r"""
xargs -0 -n 2 chmod
"""
"""Of modes and paths in turn on stdin: tar may leave a folder that was there as it was."""
