// @ts-types="@types/react"
import { type RefObject, useLayoutEffect, useRef } from "react";

/** The newest value, for what runs later than the render that it was given to. */
export function useLatest<T>(value: T): Readonly<RefObject<T>> {
  const latest = useRef(value);
  useLayoutEffect(() => {
    latest.current = value;
  });
  return latest;
}
