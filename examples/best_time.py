#!/usr/bin/env python3
"""Prints when to come, from a ranking.json alone: best_time.py URL|FILE

A slot of the coming day is drawn by its weight, then a second in it at random. Needs no packages.
"""
import json
import random
import sys
import urllib.request
from datetime import datetime, timedelta, timezone

source = sys.argv[1]
opened = urllib.request.urlopen(source, timeout=30) if "://" in source else open(source, "rb")
with opened as body:
    ranking = json.load(body)
if ranking["schemaVersion"].split(".")[0] != "1":
    sys.exit("this ranking is of another version than this program knows")
now = datetime.now(timezone.utc)
weights = [slot["weight"] for slot in ranking["slots"]]
for _ in range(1000):
    [slot] = random.choices(range(len(weights)), weights=weights)
    seconds = (slot + random.random()) * ranking["slotMinutes"] * 60
    at = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(seconds=int(seconds))
    at = (at if at > now else at + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    # Times of one form are in the order of their texts. Maintenance is drawn again.
    if not any(span["from"] <= at < span["to"] for span in ranking.get("avoid", [])):
        break
print(at)
