-- The slots of the minute $2 of the services $1. By one array, Postgres goes through the index once a slot.
select service_id, slot, version, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out
from usage_slot
where service_id = any($1::uuid[]) and slot >= $2::timestamptz and slot < $2::timestamptz + interval '1 minute'
order by service_id, slot
