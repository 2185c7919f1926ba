# What each failed test of ./test said, from what `cargo test -- --show-output` printed: the first lines of
# each, so that the end of a long log is enough to see why.

/^failures:$/ { failing = 1; lines = 0 }
/^(successes:|test result: .*)$/ { failing = 0; lines = 0 }

failing && /^---- .* stdout ----$/ { lines = 12 }
failing && lines > 0 && NF { print substr($0, 1, 400); lines-- }
