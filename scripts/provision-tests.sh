#!/bin/sh
# Install what some tests need and pip cannot bring: Dovecot (a real IMAP server) and Chromium (a real browser).
# Only as root or with sudo that asks nothing. Without them those tests are skipped, loudly.
set -eu

missing=""
PATH=$PATH:/usr/sbin:/usr/local/sbin
command -v dovecot >/dev/null || missing="$missing dovecot-imapd dovecot-lmtpd"
command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
    command -v google-chrome >/dev/null || missing="$missing chromium"
[ -z "$missing" ] && exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then as_root="sudo -n"; fi

if command -v apt-get >/dev/null && $as_root true 2>/dev/null; then
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then # a mail server must not start on this machine just because tests want its binary
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
        $as_root chmod 755 "$policy"
        trap '$as_root rm -f "$policy"' EXIT
    fi
    echo "Installing for the tests:$missing"
    # shellcheck disable=SC2086 # a list of packages
    if { $as_root apt-get update && $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends $missing; } >"${TMPDIR:-/tmp}/helpdesk-apt.log" 2>&1; then
        exit 0
    fi
    echo "apt-get failed; see ${TMPDIR:-/tmp}/helpdesk-apt.log" >&2
fi
echo "*** Not on this machine:$missing. Tests that need them are SKIPPED. ***" >&2
[ "${HELPDESK_REQUIRE_ALL:-}" != 1 ]
