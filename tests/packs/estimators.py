# ruff: noqa: E501 (tables of cases, one beside the other)
"""Real objects of scipy.sparse and scikit-learn, of the kinds that their packs are for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sparse


def sparse_objects() -> dict[str, Any]:
    """Return objects by name."""
    dense = np.array([[0, 1, 0], [2, 0, 0]])
    found: dict[str, Any] = {}
    for kind in ("csr", "csc", "coo", "bsr", "dia", "lil", "dok"):
        for form in ("matrix", "array"):
            found[f"{kind}_{form}"] = getattr(sparse, f"{kind}_{form}")(dense)
    found["empty"] = sparse.csr_matrix((0, 5))
    found["floats"] = sparse.random(20, 30, 0.1, format="csr", random_state=0)
    return found


def estimators() -> dict[str, Any]:
    """Return fitted estimators by name."""
    from sklearn.cluster import KMeans
    from sklearn.compose import ColumnTransformer, make_column_selector
    from sklearn.decomposition import PCA, FastICA, TruncatedSVD
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import (
        AdaBoostClassifier,
        BaggingClassifier,
        ExtraTreesClassifier,
        GradientBoostingClassifier,
        GradientBoostingRegressor,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        IsolationForest,
        RandomForestClassifier,
        RandomForestRegressor,
        VotingClassifier,
    )
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.feature_selection import SelectKBest, VarianceThreshold
    from sklearn.impute import KNNImputer, SimpleImputer
    from sklearn.kernel_approximation import RBFSampler
    from sklearn.linear_model import (
        ElasticNet,
        Lasso,
        LinearRegression,
        LogisticRegression,
        Ridge,
        RidgeClassifier,
        SGDClassifier,
        TweedieRegressor,
    )
    from sklearn.mixture import GaussianMixture
    from sklearn.model_selection import GridSearchCV
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor, NearestNeighbors
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import FeatureUnion, Pipeline
    from sklearn.preprocessing import (
        FunctionTransformer,
        LabelEncoder,
        MinMaxScaler,
        Normalizer,
        OneHotEncoder,
        OrdinalEncoder,
        PolynomialFeatures,
        RobustScaler,
        StandardScaler,
    )
    from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
    from sklearn.svm import SVC, SVR, LinearSVC
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    random = np.random.RandomState(0)
    x, y = random.rand(40, 3), np.arange(40) % 2
    words = ["a word here", "another word", "no thing"]
    found: dict[str, Any] = {
        cls.__name__: cls(**options).fit(x, y)
        for cls, options in [
            (RandomForestClassifier, {"n_estimators": 3}), (RandomForestRegressor, {"n_estimators": 3}),
            (ExtraTreesClassifier, {"n_estimators": 3}), (GradientBoostingClassifier, {"n_estimators": 3}),
            (GradientBoostingRegressor, {"n_estimators": 3}), (AdaBoostClassifier, {"n_estimators": 3}),
            (BaggingClassifier, {"n_estimators": 3}), (IsolationForest, {"n_estimators": 3}),
            (DecisionTreeClassifier, {}), (DecisionTreeRegressor, {}), (LogisticRegression, {}), (LinearRegression, {}),
            (Ridge, {}), (RidgeClassifier, {}), (Lasso, {}), (ElasticNet, {}), (SGDClassifier, {}), (SVC, {}), (SVR, {}),
            (LinearSVC, {}), (GaussianNB, {}), (MultinomialNB, {}), (BernoulliNB, {}), (DummyClassifier, {}),
            (StandardScaler, {}), (MinMaxScaler, {}), (RobustScaler, {}), (Normalizer, {}), (PolynomialFeatures, {}),
            (SimpleImputer, {}), (PCA, {"n_components": 2}), (TruncatedSVD, {"n_components": 2}),
            (KMeans, {"n_clusters": 2, "n_init": 1}), (GaussianMixture, {}), (VarianceThreshold, {}),
            (MLPClassifier, {"max_iter": 2, "hidden_layer_sizes": (3,)}), (OrdinalEncoder, {}), (OneHotEncoder, {}),
            (KNeighborsClassifier, {"algorithm": "brute"}), (NearestNeighbors, {"algorithm": "brute"}),
            (KNeighborsRegressor, {"leaf_size": 5}), (KNNImputer, {}), (FastICA, {"n_components": 2}), (RBFSampler, {}),
            (LocalOutlierFactor, {"novelty": True, "n_neighbors": 3}),
            (GaussianRandomProjection, {"n_components": 2}), (SparseRandomProjection, {"n_components": 2}),
        ]
    }  # fmt: skip
    found |= {
        "neighbours in a tree": KNeighborsClassifier(leaf_size=3).fit(x, y),
        "neighbours in balls": NearestNeighbors(algorithm="ball_tree", p=3, leaf_size=3).fit(x),
        "HistGradientBoostingClassifier": HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=3).fit(x, y),
        "HistGradientBoosting of a quantile": HistGradientBoostingRegressor(
            loss="quantile", quantile=0.2, max_iter=2, min_samples_leaf=3
        ).fit(x, y),
        "LabelEncoder": LabelEncoder().fit(["a", "b"]),
        "SelectKBest": SelectKBest(k=1).fit(x, y),
        "CountVectorizer": CountVectorizer().fit(words),
        "TfidfVectorizer": TfidfVectorizer().fit(words),
        "Pipeline": Pipeline([("s", StandardScaler()), ("m", LogisticRegression())]).fit(x, y),
        "FeatureUnion": FeatureUnion([("s", StandardScaler()), ("m", MinMaxScaler())]).fit(x, y),
        "ColumnTransformer": ColumnTransformer([("s", StandardScaler(), [0, 1])]).fit(x, y),
        "ColumnTransformer of a frame": ColumnTransformer(
            [("s", StandardScaler(), ["a"]), ("p", "passthrough", ["b"])], remainder="passthrough"
        ).set_output(transform="pandas").fit(pd.DataFrame(x[:, :3], columns=list("abc")), y),
        "FunctionTransformer of none": FunctionTransformer(),
        "OneHotEncoder that drops": OneHotEncoder(drop=["a"]).fit([["a"], ["b"]]),
        "OneVsRest of ridges": OneVsRestClassifier(RidgeClassifier()).fit(x, np.arange(len(x)) % 3),
        "selector of numbers": make_column_selector(dtype_include=np.number),
        **{
            f"TweedieRegressor {power}": TweedieRegressor(power=power).fit(x, np.arange(len(x)) + 1.0)
            for power in (0, 1, 1.5, 2, 3)
        },
        "VotingClassifier": VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())]).fit(x, y),
        "GridSearchCV": GridSearchCV(Ridge(), {"alpha": [1, 2]}, cv=2).fit(x, y),
        "not fitted": RandomForestClassifier(),
    }
    return found
