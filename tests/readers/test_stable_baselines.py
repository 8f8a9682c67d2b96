"""Stable-Baselines' progress.csv: a reward over steps, and losses that need not fall."""

from diagnose.readers import read as read_source

TEXT = (
    "rollout/ep_len_mean,rollout/ep_rew_mean,time/total_timesteps,time/iterations,time/fps,train/loss,"
    "train/policy_gradient_loss,train/value_loss,train/approx_kl,train/learning_rate\n"
    "18,18.5,256,1,2000,,,,,\n21,21.5,512,2,1900,.2,-.01,4,.01,.001\n25,25.5,768,3,1900,.3,-.02,5,.01,.001\n"
)


def read_one(text):
    (run,) = read_source("progress.csv", content=text.encode())
    assert run.format == "stable-baselines"
    return run


def test_the_reward_over_environment_steps_is_the_metric():
    run = read_one(TEXT)
    assert run.axis == "step"
    assert run.get("metric").quantity == "reward"
    assert run.get("metric").epochs.tolist() == [256.0, 512.0, 768.0]


def test_no_rule_on_losses_sees_its_losses():
    run = read_one(TEXT)
    assert run.get("loss") is None
    assert [s.name for s in run.series if s.direction is not None] == ["rollout/ep_rew_mean"]
    assert {"policy_loss", "policy_gradient_loss", "value_loss"} <= {s.quantity for s in run.series}


def test_the_older_names():
    run = read_one("ep_rew_mean,total_timesteps,time/fps\n1,100,5\n2,200,5\n")
    assert run.get("metric").epochs.tolist() == [100.0, 200.0]
