#!/bin/sh
# Copyright 2026 The mnet Authors.
# SPDX-License-Identifier: Apache-2.0

# Installs the programs that the end-to-end tests run, where that is possible: on
# Debian, as root. Elsewhere the tests that need them say so and are skipped.

set -eu

missing=
for need in sshd:openssh-server ssh:openssh-client curl:curl; do
	PATH="$PATH:/usr/sbin" command -v "${need%%:*}" >/dev/null || missing="$missing ${need#*:}"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "Some end-to-end tests will be skipped: install$missing" >&2
	exit 0
fi
echo "The end-to-end tests need$missing: apt-get install" >&2

# The tests start sshd themselves: no service may come with it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null; }; then
	echo "Some end-to-end tests will be skipped: could not install$missing" >&2
	exit 0
fi
case "$missing" in
*openssh-server*) ! command -v systemctl >/dev/null || systemctl --quiet disable ssh.service || true ;;
esac
