-- A count of a room's unread messages says how far it counts: where the log ended in the same snapshot. Receipts,
-- deletions and memberships are events of that log, so of two counts the one with the higher position is the newer one, and
-- an event up to there is in it already.

-- As before, with `as_of` beside the value. Who reads the value alone, as earlier releases of the functions do, finds it
-- where it was.
create or replace function edge_sockets.unread(reader uuid, room text) returns json
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
declare
  member public.room_members;
begin
  if unread.room is null then
    return edge_sockets.success((
      select to_json(coalesce(sum(edge_sockets.unread_in(rm)), 0)) from public.room_members rm where rm.user_id = reader
    ));
  end if;
  select * into member from public.room_members rm where rm.room_id = unread.room and rm.user_id = reader;
  if member.user_id is not null then
    return json_build_object('ok', true, 'value', edge_sockets.unread_in(member), 'as_of', (
      select r.head from public.rooms r where r.id = unread.room
    ));
  elsif exists (select from public.rooms r where r.id = unread.room and r.kind = 'public') then
    return edge_sockets.refusal('forbidden');
  end if;
  return edge_sockets.refusal('room_not_found');
end $$;

-- How many messages of others the caller has not read, in each room he is a member of, and as of where in its log.
drop function public.unread_counts();
create function public.unread_counts() returns table (room text, count bigint, as_of bigint)
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
begin
  return query select rm.room_id, edge_sockets.unread_in(rm), (select r.head from public.rooms r where r.id = rm.room_id)
    from public.room_members rm
    where rm.user_id = edge_sockets.require_user() order by rm.room_id;
end $$;

revoke all on function public.unread_counts() from public, anon, authenticated, service_role;
grant execute on function public.unread_counts() to authenticated;
