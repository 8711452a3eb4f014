-- One bite of slots before $1 that are known to be in Kafka, the oldest from $3 on. $2 bounds it. Tells how many went, and
-- where the next bite begins.
with gone as (
    delete from usage_slot where (slot, service_id) in (
        select s.slot, s.service_id from usage_slot s join meter m on m.partition = s.meter
        where s.slot >= $3 and s.slot < $1 and s.flush <= m.emitted order by s.slot limit $2)
    returning slot
)
select count(*), coalesce(max(slot), $3) from gone
