"""Put every task of the DAGs `waits_*` into the state in which a worker leaves it that defers.

Thousands of workers would take an hour to start. Run with the environment of an Airflow:
python -m tests.airflow.defer_all WAITS.json
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select

from di_async.airflow import SettledTrigger


def main() -> None:
    """Read the ids and the deadline, and defer."""
    given = json.loads(Path(sys.argv[1]).read_text())
    ids = iter(given["ids"])
    with create_session() as session:
        query = select(TaskInstance).where(TaskInstance.dag_id.like("waits_%"))
        tasks = session.scalars(query).all()
        for task in sorted(tasks, key=lambda one: (one.dag_id, int(one.task_id.split("_")[1]))):
            id = next(ids)
            given["tasks"][id] = [task.dag_id, task.task_id]
            path, arguments = SettledTrigger(
                "do", deadline=given["deadline"], id=id, end_task=True, push=False
            ).serialize()
            trigger = Trigger(classpath=path, kwargs=arguments)
            session.add(trigger)
            session.flush()
            task.state = TaskInstanceState.DEFERRED
            task.trigger_id = trigger.id
            task.next_method = "execute_complete"
            task.next_kwargs = {}
            task.start_date = datetime.now(UTC)
            task.try_number = 1
    Path(sys.argv[1]).write_text(json.dumps(given))


if __name__ == "__main__":
    main()
