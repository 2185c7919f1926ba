# The closing line of ./test, from what `cargo test -- --show-output` printed. libtest calls a test passed
# that left itself out: those that passed and said "skipped: ..." are counted as skipped here.

/^successes:$/ { passing = 1 }
/^failures:$/ { passing = 0 }

# What a test printed follows, up to the next of these lines.
/^---- .* stdout ----$/ { counted = 0 }
passing && !counted && /^skipped: / { skipped++; counted = 1 }

/^test result: / {
    for (i = 1; i < NF; i++) {
        if ($(i + 1) ~ /^passed/) passed += $i
        if ($(i + 1) ~ /^failed/) failed += $i
    }
    passing = 0
    seen = 1
}

END { if (seen) printf "%d passed, %d failed, %d skipped\n", passed - skipped, failed, skipped }
