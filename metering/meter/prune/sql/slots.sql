-- One bite of slots before $1 that are known to be in Kafka. $2 bounds it.
delete from usage_slot where (service_id, slot) in (
    select s.service_id, s.slot from usage_slot s join meter m on m.partition = s.meter
    where s.slot < $1 and s.flush <= m.emitted limit $2)
