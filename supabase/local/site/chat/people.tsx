import type { RoomState } from "../../../../shared/react/mod.ts";
import type { User } from "../account/account.ts";
import { Avatar } from "../ui/avatar.tsx";
import type { Names } from "./use_names.ts";

/** Who is in the room now; each but the user himself is a way to write to that one alone. */
export function People(
  { present, user, names, onOpenDirect }: {
    present: RoomState["present"];
    user: User;
    names: Names;
    onOpenDirect: (userId: string) => void;
  },
) {
  return (
    <div>
      <h2 id="people-title">Here now</h2>
      <ul className="people" aria-labelledby="people-title">
        {present.map(({ user_id, connections }) => {
          const name = names.of(user_id);
          const isSelf = user_id === user.id;
          return (
            <li key={user_id} title={`${connections} open`}>
              {isSelf
                ? <span className="person">{<Avatar id={user_id} name={name} />} {name} (you)</span>
                : (
                  <button className="person" type="button" onClick={() => onOpenDirect(user_id)}>
                    <Avatar id={user_id} name={name} /> {name}
                    <span className="hidden">: write a direct message</span>
                  </button>
                )}
            </li>
          );
        })}
      </ul>
    </div>
  );
}
