select toInt64(toUnixTimestamp(start)) + 10 * (toInt64(n) - 1) as at,
       slot_bytes_in_l2[n] as bytes_in_l2, slot_bytes_out_l2[n] as bytes_out_l2,
       slot_bytes_in_l3[n] as bytes_in_l3, slot_bytes_out_l3[n] as bytes_out_l3
from usage_minute final array join [1, 2, 3, 4, 5, 6] as n
where service_id = toUUID(?) and start >= toDateTime(?, 'UTC') and start < toDateTime(?, 'UTC')
settings do_not_merge_across_partitions_select_final = 1
