-- Where Realtime is there, a private broadcast says that a room's log has grown, so that what SQL or another service
-- wrote reaches the open sockets at once. It is a hint: an error of its own never fails the write.

create function edge_sockets.hint() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform realtime.send(
    jsonb_build_object('room', r.id, 'seq', grown.seq, 'epoch', r.epoch), 'grown', 'room:' || r.id, true)
    from (select room_id, max(seq) as seq from added group by room_id) as grown
    join public.rooms r on r.id = grown.room_id;
  return null;
exception when others then
  raise warning 'No hint was sent to Realtime: %', sqlerrm;
  return null;
end $$;
revoke all on function edge_sockets.hint() from public, anon, authenticated, service_role;

do $$ begin
  if to_regprocedure('realtime.send(jsonb, text, text, boolean)') is not null then
    create trigger hint after insert on public.room_events referencing new table as added
      for each statement execute function edge_sockets.hint();
  end if;
end $$;
