-- Counters that would leave bigint stay where they are: one exporter that tells exabytes must not stop the meter, whose flush could
-- never be written. 2^60 bytes are 3 Tbit/s for a month; a flush adds less than 2^62, and in and out together still fit.

-- +goose Up
create function bounded_sum(counter bigint, more bigint) returns bigint
    language sql immutable parallel safe
    return case when counter > 1152921504606846976 and more > 0 then counter else counter + more end;

-- +goose Down
-- Forward only.
