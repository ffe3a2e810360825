"""A small web service that decides on credit, and records every decision it gives.

    gunicorn --workers 2 --preload credit_service:app      # or: flask --app credit_service run
    curl -d '{"amount": 1169, "duration_months": 6, "age": 67}' \\
         -H 'Content-Type: application/json' http://127.0.0.1:8000/decisions

Flask stands for any framework. Nothing here knows of workers, forks or outages: the client is made
once, as the module is loaded, and each worker's threads get rings of their own. An answer is given
once its record is in shared memory: whoever has seen a decision finds it in the ledger, also if the
worker is killed with that answer as its last breath.
"""

import math

from flask import Flask, jsonify, request
from xase import XaseClient, XaseError

app = Flask(__name__)
client = XaseClient({"on_error": lambda error: app.logger.error("not taken: %s", error)})


def score(application):
    """The chance that the credit is paid back, by a model of three features."""
    points = (1.2 - 0.045 * float(application.get("duration_months", 0))
              - 0.00009 * float(application.get("amount", 0))
              + 0.015 * float(application.get("age", 0)))
    return 1 / (1 + math.exp(-points))


@app.post("/decisions")
def decide():
    application = request.get_json()
    chance = score(application)
    approved = chance >= 0.5
    output = {"decision": "APPROVED" if approved else "DECLINED",
              "probability_good": round(chance, 4)}
    try:
        client.record({
            "policy": "credit_policy_v4",
            "decision_type": "UNDERWRITING",
            "transaction_id": request.headers.get("X-Request-Id"),
            "input": application,
            "output": output,
            "confidence": max(chance, 1 - chance),
            "model_id": "three-features-logit",
        })
    except XaseError as error:
        # No decision without evidence: the caller tries again.
        return jsonify(error=error.code), 503
    return jsonify(output)


@app.get("/health")
def health():
    status = client.status()
    return jsonify(daemon=status["daemon"], waiting=status["waiting"])
