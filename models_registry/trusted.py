"""Which types a model file may name. Reviewed by hand; a type is added here or nowhere.

Families: linear and logistic models, discriminant analysis, naive Bayes, nearest neighbours, support
vector machines, single trees, forests, extra trees, bagging, AdaBoost, gradient boosting, histogram
gradient boosting, multi-layer perceptrons, voting and stacking, calibrated classifiers; pipelines and
column transformers with encoders, scalers, imputers, discretisers, polynomial and spline features,
feature selection, PCA and word counts. Functions: the listed numpy ufuncs and scikit-learn score functions.
"""

from __future__ import annotations

import json
import re
from typing import Any

from models_registry.archives import nodes
from models_registry.errors import Fault, Invalid

OLDEST_PROTOCOL, NEWEST_PROTOCOL = 1, 2

_CLASSES = {
    "sklearn.calibration": "CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration _TemperatureScaling",
    "sklearn.compose._column_transformer": "ColumnTransformer make_column_selector",
    "sklearn.decomposition._pca": "PCA",
    "sklearn.decomposition._truncated_svd": "TruncatedSVD",
    "sklearn.discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
    "sklearn.dummy": "DummyClassifier DummyRegressor",
    "sklearn.ensemble._bagging": "BaggingClassifier",
    "sklearn.ensemble._forest": "RandomForestClassifier ExtraTreesClassifier",
    "sklearn.ensemble._gb": "GradientBoostingClassifier",
    "sklearn.ensemble._hist_gradient_boosting.binning": "_BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting": "HistGradientBoostingClassifier",
    "sklearn.ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "sklearn.ensemble._stacking": "StackingClassifier",
    "sklearn.ensemble._voting": "VotingClassifier",
    "sklearn.ensemble._weight_boosting": "AdaBoostClassifier",
    "sklearn.feature_extraction.text": "CountVectorizer TfidfVectorizer TfidfTransformer HashingVectorizer",
    "sklearn.feature_selection._from_model": "SelectFromModel",
    "sklearn.feature_selection._rfe": "RFE",
    "sklearn.feature_selection._univariate_selection": "SelectKBest SelectPercentile SelectFpr SelectFdr SelectFwe",
    "sklearn.feature_selection._variance_threshold": "VarianceThreshold",
    "sklearn.frozen._frozen": "FrozenEstimator",
    "sklearn.impute._base": "SimpleImputer MissingIndicator",
    "sklearn.impute._iterative": "IterativeImputer _ImputerTriplet",
    "sklearn.impute._knn": "KNNImputer",
    "sklearn.isotonic": "IsotonicRegression",
    "sklearn.kernel_approximation": "Nystroem RBFSampler",
    "sklearn.linear_model._bayes": "BayesianRidge",
    "sklearn.linear_model._logistic": "LogisticRegression LogisticRegressionCV",
    "sklearn.linear_model._ridge": "Ridge RidgeClassifier RidgeClassifierCV",
    "sklearn.linear_model._stochastic_gradient": "SGDClassifier",
    "sklearn.linear_model._perceptron": "Perceptron",
    "sklearn.model_selection._split": "StratifiedKFold KFold StratifiedShuffleSplit",
    "sklearn.multiclass": "OneVsRestClassifier OneVsOneClassifier OutputCodeClassifier _ConstantPredictor",
    "sklearn.naive_bayes": "GaussianNB BernoulliNB MultinomialNB ComplementNB CategoricalNB",
    "sklearn.neighbors._classification": "KNeighborsClassifier RadiusNeighborsClassifier",
    "sklearn.neighbors._kd_tree": "KDTree",
    "sklearn.neighbors._ball_tree": "BallTree",
    "sklearn.metrics._dist_metrics": "EuclideanDistance64 ManhattanDistance64 ChebyshevDistance64 MinkowskiDistance64",
    "sklearn.neural_network._multilayer_perceptron": "MLPClassifier",
    "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "sklearn.pipeline": "Pipeline FeatureUnion",
    "sklearn.preprocessing._data": "StandardScaler MinMaxScaler MaxAbsScaler RobustScaler Normalizer Binarizer"
    " QuantileTransformer PowerTransformer KernelCenterer",
    "sklearn.preprocessing._discretization": "KBinsDiscretizer",
    "sklearn.preprocessing._encoders": "OneHotEncoder OrdinalEncoder",
    "sklearn.preprocessing._function_transformer": "FunctionTransformer",
    "sklearn.preprocessing._label": "LabelEncoder LabelBinarizer MultiLabelBinarizer",
    "sklearn.preprocessing._polynomial": "PolynomialFeatures SplineTransformer",
    "sklearn.preprocessing._target_encoder": "TargetEncoder",
    "sklearn.svm._classes": "SVC NuSVC LinearSVC",
    "sklearn.tree._classes": "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
    "sklearn._loss.link": "IdentityLink LogLink LogitLink HalfLogitLink MultinomialLogit Interval",
    "sklearn._loss.loss": "HalfBinomialLoss HalfMultinomialLoss ExponentialLoss HalfSquaredError",
    "scipy.interpolate._bsplines": "BSpline",
}
_SCALARS = "bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 str_ datetime64"
_UFUNCS = (
    "absolute cbrt cos exp exp2 expm1 fabs log log10 log1p log2 negative reciprocal rint sign sin sqrt square tanh"
)


def _names(module: str, names: str) -> set[str]:
    return {f"{module}.{name}" for name in names.split()}


OBJECTS = {name for module, names in _CLASSES.items() for name in _names(module, names)}
FUNCTIONS = (
    {name for module in ("numpy", "numpy._core._multiarray_umath") for name in _names(module, _UFUNCS)}
    | _names("scipy.special._ufuncs", "expit logit")
    | _names("sklearn.feature_selection._univariate_selection", "f_classif chi2")
    | {
        "sklearn.feature_selection._mutual_info.mutual_info_classif",
        "sklearn.utils.validation.check_array",
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
    }
)
# For each kind of node the types it may make. Kinds that call what a file names (methods, operators,
# reduced constructors) are not here, so they are refused whatever they name.
NODE_TYPES: dict[str, set[str]] = {
    "ObjectNode": OBJECTS,
    "TreeNode": {"sklearn.tree._tree.Tree"},
    "LossNode": _names("sklearn._loss._loss", "CyHalfBinomialLoss CyHalfMultinomialLoss CyExponentialLoss")
    | _names("sklearn.linear_model._sgd_fast", "Hinge ModifiedHuber SquaredHinge EpsilonInsensitive"),
    "FunctionNode": FUNCTIONS,
    "PartialNode": {"functools.partial"},
    "DictNode": {"builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"},
    "DefaultDictNode": {"collections.defaultdict"},
    "ListNode": {"builtins.list"},
    "TupleNode": {"builtins.tuple"},
    "SetNode": {"builtins.set"},
    "SliceNode": {"builtins.slice"},
    "JsonNode": {"builtins.str"},
    "TypeNode": _names("builtins", "bool int float str list tuple dict object")
    | _names("numpy", _SCALARS + " number object_ floating integer"),
    "NdArrayNode": _names("numpy", "ndarray " + _SCALARS),
    "MaskedArrayNode": {"numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"},
    "DTypeNode": {"numpy.dtype"},
    "RandomStateNode": {"numpy.random.mtrand.RandomState"},
    "RandomGeneratorNode": {"numpy.random._generator.Generator"},
    "SparseMatrixNode": _names("scipy.sparse._csr", "csr_matrix csr_array")
    | _names("scipy.sparse._csc", "csc_matrix csc_array"),
}
MAX_NAMED = 10
_NAME = re.compile(r"[\w.<>]{1,200}\Z")


def trusted_types(schema: dict[str, Any]) -> list[str]:
    """The types a schema names, all of them on the list; what skops may then be told to trust.

    Raises Invalid: ``unsupported_format`` for a protocol nobody reviewed, ``untrusted_type`` naming
    every type and node kind that is not allowed.
    """
    protocol = schema.get("protocol")
    if type(protocol) is not int or not OLDEST_PROTOCOL <= protocol <= NEWEST_PROTOCOL:
        message = f"the file has skops protocol {str(protocol)[:20]!r}; save it with skops 0.16"
        raise Invalid(message, code="unsupported_format")
    seen: set[str] = set()
    refused: set[str] = set()
    for node in nodes(schema):
        if "__loader__" not in node:
            continue
        kind, name = str(node["__loader__"]), f"{node.get('__module__')}.{node.get('__class__')}"
        if name in NODE_TYPES.get(kind, ()):
            seen.add(name)
        elif _NAME.match(name):
            refused.add(name if kind in NODE_TYPES else f"{name} ({kind[:40]})")
        else:
            refused.add("a type with an unreadable name")
    if refused:
        named = sorted(refused)[:MAX_NAMED]
        more = f" and {len(refused) - MAX_NAMED} more" if len(refused) > MAX_NAMED else ""
        raise Invalid(
            f"the model file holds types that are not trusted: {', '.join(named)}{more}",
            code="untrusted_type",
            errors=[Fault("/artifact", "untrusted_type", name) for name in named],
        )
    return sorted(seen)


def saved_with(schema: dict[str, Any]) -> dict[str, str]:
    """The versions of scikit-learn and skops that wrote the file, as far as it says."""
    versions = {"skops": str(schema.get("_skops_version", "unknown"))[:40]}
    for node in nodes(schema):
        stated = node.get("_sklearn_version")
        if isinstance(stated, dict) and isinstance(stated.get("content"), str):
            try:
                versions["scikit-learn"] = str(json.loads(stated["content"]))[:40]
            except ValueError:
                continue
            break
    return versions
